"""Certificates: which servers the suite trusts, and how it says who it is."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from support import json_of, raw_server, read_head

from conformance.failures import UsageError
from conformance.http.exchange import Exchange, Request
from conformance.http.transport import USUALLY, Connecting, Transport
from conformance.settings.target import load_target

PING = Request("ping", "GET", "/server/v1/ping", (), b"")


@dataclass
class Secured:
    """A server that asks for a client certificate, and how to connect to it."""

    url: str
    connecting: Connecting
    names: list[str]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    authority, names = trustme.CA(), list[str]()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    client = authority.issue_cert("ci@studio.example")
    files = Connecting(
        ca=str(tmp_path / "ca.pem"),
        client_cert=str(tmp_path / "client.pem"),
        client_key=str(tmp_path / "client.key"),
    )
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            names.append(str((encrypted.getpeercert() or {}).get("subjectAltName")))
            while read_head(encrypted):
                encrypted.sendall(json_of(b"{}"))

    with raw_server(serve) as url:
        yield Secured(url.replace("http://", "https://"), files, names)


def ping(server: Secured, connecting: Connecting) -> Exchange:
    transport = Transport(server.url, connecting=connecting)
    try:
        return transport.send(PING)
    finally:
        transport.close()


def test_an_authority_that_is_named_is_trusted_and_no_other(secured: Secured) -> None:
    assert ping(secured, Connecting(ca=secured.connecting.ca)).response is not None
    assert "CERTIFICATE_VERIFY_FAILED" in (ping(secured, USUALLY).error or "")


def test_a_server_learns_who_calls(secured: Secured) -> None:
    for simultaneous in (False, True):
        transport = Transport(secured.url, connecting=secured.connecting)
        done = transport.send_simultaneously([PING] * 2) if simultaneous else [transport.send(PING)]
        transport.close()
        assert [each.response is not None for each in done] == [True] * len(done)
    assert secured.names == ["(('email', 'ci@studio.example'),)"] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ca": "missing.pem"}, "cannot read the CA file missing.pem: No such file"),
        ({"ca": __file__}, f"cannot use the CA file {__file__}: "),
        ({"client_key": __file__}, "cannot use the client certificate "),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    secured: Secured, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as raised:
        ping(secured, replace(secured.connecting, **change))
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_target_file_names_files_as_seen_from_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "target.toml"
    file.write_text(
        'base_url = "https://a"\nca = "ca.pem"\nclient_cert = "/etc/c.pem"\nhttp2 = true'
    )
    connecting = load_target(file, {"KRATY_SERVER_KEY": "k"}).connecting
    assert connecting == Connecting(str(tmp_path / "ca.pem"), "/etc/c.pem", None, http2=True)


def test_a_client_key_needs_a_certificate(tmp_path: Path) -> None:
    file = tmp_path / "target.toml"
    file.write_text('base_url = "https://a"\nclient_key = "c.key"')
    with pytest.raises(UsageError, match="has a client_key, but no client_cert"):
        load_target(file, {"KRATY_SERVER_KEY": "k"})
