"""Runs through real proxies, each with the defaults of its package: none finds a failure.

    pytest .ci/test_proxies.py

A proxy that is not installed is skipped, so that this runs everywhere; CI installs them.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

ADDRESS = "127.0.0.2"
"""Not one that the suite takes for this machine itself, to which no proxy leads."""
COMMAND = [sys.executable, "-m", "conformance"]
SECONDS = 20


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A server, from when it listens."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection((ADDRESS, port), 1).close()
            except OSError:
                assert process.poll() is None, (process.stderr and process.stderr.read()) or ""
                assert time.monotonic() < end, f"{command[0]} does not listen"
                time.sleep(0.05)
            else:
                break
        yield
    finally:
        process.terminate()
        process.communicate()


class Place:
    """The reference server, certificates, and a folder for the configurations of proxies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.target = folder / "target.toml"
        self.keys: dict[str, str] = {}
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(folder / "ca.pem")
        self._write("server", self.authority.issue_cert(ADDRESS, "localhost"))
        self._write("client", self.authority.issue_cert("client@example.com"))

    def _write(self, name: str, certificate: trustme.LeafCert) -> None:
        certificate.cert_chain_pems[0].write_to_path(self.folder / f"{name}.pem")
        certificate.private_key_pem.write_to_path(self.folder / f"{name}.key")
        certificate.private_key_and_cert_chain_pem.write_to_path(self.folder / f"{name}.both")

    @contextmanager
    def served(self) -> Iterator[None]:
        """The reference server, on an address that a proxy may lead to."""
        command = [*COMMAND, "serve", "--host", ADDRESS, "--port", str(self.port), "--window", "1"]
        process = subprocess.Popen(
            [*command, "--write-target", str(self.target)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip().startswith("export "):
                self.keys = dict(re.findall(r"(\w+)=(\S+)", line))
            if line.startswith("Stop"):
                break
        try:
            yield
        finally:
            process.terminate()
            process.communicate()

    def run(
        self, base_url: str, *options: str, declared: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A whole run of the suite against a URL; `declared` begins its target file."""
        file = self.folder / "this.toml"
        file.write_text(declared + self.target.read_text())
        reports = self.folder / "reports"
        command = [*COMMAND, "run", "--target", str(file), "--base-url", base_url, "-q"]
        without = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        return subprocess.run(
            [*command, "--reports", str(reports), *options],
            env={**without, **self.keys, **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    with place.served():
        yield place


def nginx(place: Place, port: int, listen: str, more: str = "") -> list[str]:
    """Debian's nginx as its package configures it, with one site before the reference server."""
    folder = place.folder
    site = f"""server {{
        listen {ADDRESS}:{port} {listen};
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        {more}
        location / {{ proxy_pass http://{ADDRESS}:{place.port}; }}
    }}"""
    usual = Path("/etc/nginx/nginx.conf").read_text()
    usual = re.sub("include /etc/nginx/sites-enabled/.*;", lambda _: site, usual)
    usual = re.sub("^user .*$|^error_log .*$", "", usual, flags=re.M)
    usual = re.sub("^pid .*$", f"pid {folder}/nginx.pid;", usual, flags=re.M)
    usual = re.sub("access_log .*;", f"access_log {folder}/access.log;", usual)
    (folder / "nginx.conf").write_text(usual)
    return ["nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log", "-g", "daemon off;"]


def expect_conformant(done: subprocess.CompletedProcess[str]) -> None:
    """The run is conformant, and left nothing out."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert "97 of 97 MUSTs exercised" in done.stdout


MTLS = "ssl_client_certificate {0}/ca.pem; ssl_verify_client on;"
CLIENT = 'client_cert = "client.pem"\nclient_key = "client.key"\n'


@pytest.mark.parametrize(
    ("listen", "more", "declared", "options"),
    [
        pytest.param("ssl", "", "", [], id="tls"),
        pytest.param("ssl", MTLS, CLIENT, [], id="mtls"),
        pytest.param("ssl http2", "", "", ["--http2"], id="http2"),
    ],
)
def test_nginx(place: Place, listen: str, more: str, declared: str, options: list[str]) -> None:
    port = free_port()
    with running(nginx(place, port, listen, more.format(place.folder)), port):
        declared = f'ca = "ca.pem"\n{declared}'
        done = place.run(f"https://{ADDRESS}:{port}", *options, declared=declared)
    expect_conformant(done)


def test_an_authority_that_the_environment_names_is_trusted(place: Place) -> None:
    port = free_port()
    with running(nginx(place, port, "ssl"), port):
        url = f"https://{ADDRESS}:{port}"
        refused = place.run(url, "-k", "ping")
        trusted = place.run(url, "-k", "ping", SSL_CERT_FILE=str(place.folder / "ca.pem"))
        by_option = place.run(url, "-k", "ping", "--ca", str(place.folder / "ca.pem"))
    assert (refused.returncode, trusted.returncode, by_option.returncode) == (3, 0, 0)
    assert "--ca" in refused.stderr + refused.stdout


def test_haproxy(place: Place) -> None:
    port, folder = free_port(), place.folder
    usual = Path("/etc/haproxy/haproxy.cfg")
    if not usual.exists():
        pytest.skip("haproxy is not installed")
    needs_root = r"^\s*(log\s+/dev/log|chroot|stats|user|group|daemon).*$"
    site = f"""
frontend api
    bind {ADDRESS}:{port} ssl crt {folder}/server.both
    default_backend reference
backend reference
    server one {ADDRESS}:{place.port}
"""
    config = re.sub(needs_root, "", usual.read_text(), flags=re.M) + site
    (folder / "haproxy.cfg").write_text(config)
    with running(["haproxy", "-f", f"{folder}/haproxy.cfg", "-db"], port):
        url = f"https://{ADDRESS}:{port}"
        expect_conformant(place.run(url, declared='ca = "ca.pem"\n'))


def tinyproxy(folder: Path, port: int) -> list[str]:
    """Debian's tinyproxy as its package configures it, on a port of its own."""
    usual = Path("/etc/tinyproxy/tinyproxy.conf").read_text()
    usual = re.sub("^(User|Group) .*$", "", usual, flags=re.M)
    usual = re.sub("^Port .*$", f"Port {port}", usual, flags=re.M)
    usual = re.sub("^LogFile .*$", f'LogFile "{folder}/proxy.log"', usual, flags=re.M)
    usual = re.sub("^PidFile .*$", f'PidFile "{folder}/proxy.pid"', usual, flags=re.M)
    (folder / "tinyproxy.conf").write_text(usual)
    return ["tinyproxy", "-d", "-c", f"{folder}/tinyproxy.conf"]


def socks(_: Path, port: int) -> list[str]:
    """A SOCKS 5 proxy; it has no configuration."""
    return ["microsocks", "-i", "0.0.0.0", "-p", str(port)]


@pytest.mark.parametrize(
    ("command", "proxy", "variable"),
    [
        pytest.param(tinyproxy, "http://127.0.0.1:{}", "HTTPS_PROXY", id="forward-tls"),
        pytest.param(tinyproxy, "http://127.0.0.1:{}", "HTTP_PROXY", id="forward"),
        pytest.param(socks, "socks5://127.0.0.1:{}", "ALL_PROXY", id="socks"),
    ],
)
def test_forward_proxies(
    place: Place, command: Callable[[Path, int], list[str]], proxy: str, variable: str
) -> None:
    port, site = free_port(), free_port()
    urls = {
        "HTTPS_PROXY": f"https://{ADDRESS}:{site}",
        "HTTP_PROXY": f"http://{ADDRESS}:{place.port}",
        "ALL_PROXY": f"https://{ADDRESS}:{site}",
    }
    asked = {variable: proxy.format(port), variable.lower(): proxy.format(port)}
    with running(nginx(place, site, "ssl"), site), running(command(place.folder, port), port):
        quick = ["--profile", "quick"]
        done = place.run(urls[variable], *quick, declared='ca = "ca.pem"\n', **asked)
        direct = place.run(
            urls[variable], "-k", "ping", declared='ca = "ca.pem"\n', **asked, NO_PROXY=ADDRESS
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert direct.returncode == 0, direct.stdout
