"""A proxy on the way to a server that loses, cuts, delays and repeats requests, by seeded dice."""

import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from support import raw_server, read_message

DROP, DELAY, TRUNCATE, RESET = "drop", "delay", "truncate", "reset"
DUPLICATE, BURST = "duplicate", "burst"
CHANCES = {DROP: 0.05, DELAY: 0.02, TRUNCATE: 0.01, RESET: 0.01, DUPLICATE: 0.01, BURST: 0.003}
BURST_LENGTH = 8
LONGEST_DELAY = 0.3
UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n"
    b"Content-Length: 18\r\n\r\n<h1>try later</h1>"
)


@dataclass
class FlakyProxy:
    """Passes requests on to `upstream`, mostly."""

    upstream: str
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    refusing: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - nothing secret

    def cast(self) -> str | None:
        """What happens to the next request."""
        if self.refusing:
            self.refusing -= 1
            return BURST
        number = self.dice.random()
        for accident, chance in CHANCES.items():
            number -= chance
            if number < 0:
                self.refusing = BURST_LENGTH if accident == BURST else 0
                return accident
        return None

    def serve(self, connection: socket.socket) -> None:
        """Pass on the requests of one connection; most accidents end it."""
        parts = urlsplit(self.upstream)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as server:
            while request := read_message(connection):
                accident = self.cast()
                self.done[accident or "passed"] += 1
                answer = self.pass_on(request, accident, server)
                length = len(answer) * 2 // 3 if accident == TRUNCATE else len(answer)
                connection.sendall(answer[:length])
                if accident in (DROP, RESET, TRUNCATE):
                    return

    def pass_on(self, request: bytes, accident: str | None, server: socket.socket) -> bytes:
        """The answer that the client gets."""
        if accident == BURST:
            return UNAVAILABLE
        if accident == DELAY:
            time.sleep(self.dice.uniform(0, LONGEST_DELAY))
        answer = b""
        for _ in range({DROP: 0, DUPLICATE: 2}.get(accident or "", 1)):
            server.sendall(request)
            answer = read_message(server)
        return b"" if accident == RESET else answer


@contextmanager
def flaky(upstream: str, seed: int) -> Iterator[tuple[str, FlakyProxy]]:
    """A flaky proxy to a server: its base URL, and itself."""
    proxy = FlakyProxy(upstream, seed)
    with raw_server(proxy.serve) as url:
        yield url, proxy
