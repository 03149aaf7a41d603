"""How fast is the reference server, beside the ceiling of its ASGI server and beside Prism?

    python benchmarks/server.py [--rounds N] [--seconds S]

`wrk`, which must be installed, loads these servers in turn, `N` times:

- the reference server, with ping, a profile, an export and credits with new idempotency keys;
- the ceiling: a minimal ASGI application on the same uvicorn;
- the mock server Prism with the same requests, if `npx` is installed.

Prints a table and writes `benchmarks/results/server.json`.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from measuring import AUTHORIZATION, interleaved, parser_of, serving, summed_up, table, write

from conformance import resources
from conformance.lifecycle.bundled_target import running_server
from conformance.reference.app import BASE_PATH
from conformance.reference.serving import listen, origin

CONNECTIONS = 8
PLAYER = "/players/p1"
READS = {"ping": "/ping", "profile": PLAYER, "export": f"{PLAYER}/export"}
CREDIT = f"{PLAYER}/wallet/gold/credit"
SCRIPT = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", nil, nil,
    '{"amount": 1, "idempotencyKey": "' .. os.time() .. tostring(wrk.thread) .. n .. '"}')
end
"""
PRISM = "@stoplight/prism-cli@5"
PATIENCE_SECONDS = 120
WARM_UP_SECONDS = 2
"""Prism compiles itself while it runs."""
CEILING, REFERENCE, MOCK = "hello on uvicorn", "reference server", "prism"


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    """A minimal ASGI application."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


@contextmanager
def prism() -> Iterator[str]:
    """Prism with the same specification, by its base URL."""
    bound = listen("127.0.0.1", 0)
    url = origin(bound)
    bound.close()
    command = ["npx", "--yes", PRISM, "mock", "-p", url.rpartition(":")[2]]
    process = subprocess.Popen(  # noqa: S603 - a command of its own
        [*command, str(resources.spec_file())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(f"{url}/ping")
        yield url
    finally:
        subprocess.run(["pkill", "-s", str(process.pid)], check=False)  # noqa: S603, S607
        process.wait()


def wait_for(url: str) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            httpx.get(url)
        except httpx.TransportError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def load(url: str, seconds: int, script: Path | None = None) -> float:
    """Requests a second."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    headers = {**AUTHORIZATION, "Content-Type": "application/json"}
    command += [part for pair in headers.items() for part in ("-H", ": ".join(pair))]
    command += ["-s", str(script)] if script else []
    done = subprocess.run([*command, url], capture_output=True, text=True, check=True)  # noqa: S603
    refused = re.search(r"Non-2xx.*", done.stdout)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if refused or rate is None:
        raise RuntimeError(f"{url}: {done.stdout}")
    return float(rate[1])


def main() -> None:
    """Measure, print and write."""
    parser = parser_of(__doc__, rounds=5)
    parser.add_argument("--seconds", type=int, default=3)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("benchmarks/server.py: wrk is not installed (Debian and Homebrew have it)")
    kinds = {CEILING: lambda: serving(lambda: hello), REFERENCE: running_server, MOCK: prism}
    if shutil.which("npx") is None:
        print("npx is not installed: Prism is left out", file=sys.stderr)
        del kinds[MOCK]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "credit.lua")
        script.write_text(SCRIPT)

        def measure(kind: str, name: str) -> float:
            """Each measure has a new server, without data of an earlier one."""
            with kinds[kind]() as url:
                base = url if kind == MOCK else url + BASE_PATH
                httpx.post(base + CREDIT, json={"amount": 5}, headers=AUTHORIZATION)
                post = script if name == "credit" else None
                load(base + READS.get(name, CREDIT), WARM_UP_SECONDS, post)
                return load(base + READS.get(name, CREDIT), arguments.seconds, post)

        names = [*READS, "credit"]
        pairs = [(CEILING, "ping"), *((kind, n) for kind in list(kinds)[1:] for n in names)]
        measures = {f"{kind}: {name}": partial(measure, kind, name) for kind, name in pairs}
        taken = interleaved(measures, arguments.rounds)
    ceiling = taken[f"{CEILING}: ping"]
    rows = []
    for name in names:
        ours, prisms = taken[f"{REFERENCE}: {name}"], taken.get(f"{MOCK}: {name}")
        share = f"{median(ours) / median(ceiling):.2f}"
        times = [f"{median(prisms):.0f}", f"{median(ours) / median(prisms):.1f}"] if prisms else []
        rows.append([name, *summed_up(ours, digits=0), share, *(times or ["-", "-"])])
    head = ["request", "requests a second", "least to greatest", "of the ceiling"]
    print("Ceiling: {} requests a second ({})\n".format(*summed_up(ceiling, digits=0)))
    print(table([*head, "Prism", "times Prism"], rows))
    write("server", {"rounds": arguments.rounds, "requestsASecond": taken})


if __name__ == "__main__":
    main()
