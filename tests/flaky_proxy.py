"""A proxy on the way to a server that loses, cuts, delays and repeats requests, by seeded dice."""

import asyncio
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from conformance.reference.serving import listen, origin

DROP, DELAY, TRUNCATE, RESET, DUPLICATE, BURST = (
    "drop",
    "delay",
    "truncate",
    "reset",
    "duplicate",
    "burst",
)
CHANCES = {DROP: 0.05, DELAY: 0.02, TRUNCATE: 0.01, RESET: 0.01, DUPLICATE: 0.01, BURST: 0.003}
BURST_LENGTH = 8
LONGEST_DELAY = 0.3
UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n"
    b"Content-Length: 18\r\n\r\n<h1>try later</h1>"
)


class LostError(Exception):
    """The connection ends here."""


async def message(reader: asyncio.StreamReader) -> bytes:
    """One request or response, whose length its head tells."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)


@dataclass
class FlakyProxy:
    """Passes requests on to `upstream`, mostly."""

    upstream: str
    seed: int
    chances: dict[str, float] = field(default_factory=lambda: CHANCES)
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
        for accident, chance in self.chances.items():
            number -= chance
            if number < 0:
                self.refusing = BURST_LENGTH if accident == BURST else 0
                return accident
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes over one connection."""
        parts = urlsplit(self.upstream)
        server, to_server = await asyncio.open_connection(parts.hostname, parts.port)
        with suppress(LostError, asyncio.IncompleteReadError, OSError):
            while True:
                request = await message(reader)
                accident = self.cast()
                self.done[accident or "passed"] += 1
                writer.write(await self.pass_on(request, accident, server, to_server))
                await writer.drain()
                if accident == TRUNCATE:
                    break
        for side in (writer, to_server):
            side.close()

    async def pass_on(
        self,
        request: bytes,
        accident: str | None,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> bytes:
        """The answer that the client gets; LostError where it gets none."""
        if accident == DROP:
            raise LostError
        if accident == BURST:
            return UNAVAILABLE
        if accident == DELAY:
            await asyncio.sleep(self.dice.uniform(0, LONGEST_DELAY))
        answer = b""
        for _ in range(2 if accident == DUPLICATE else 1):
            to_server.write(request)
            answer = await message(server)
        if accident == RESET:
            raise LostError
        return answer[: len(answer) * 2 // 3] if accident == TRUNCATE else answer


@contextmanager
def flaky(upstream: str, seed: int) -> Iterator[tuple[str, FlakyProxy]]:
    """A flaky proxy to a server: its base URL, and itself."""
    proxy = FlakyProxy(upstream, seed)
    bound = listen("127.0.0.1", 0)
    bound.setblocking(False)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=_run, args=(loop, proxy, bound, ready))
    thread.start()
    ready.wait()
    try:
        yield origin(bound), proxy
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        bound.close()


def _run(
    loop: asyncio.AbstractEventLoop,
    proxy: FlakyProxy,
    bound: socket.socket,
    ready: threading.Event,
) -> None:
    asyncio.set_event_loop(loop)
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, sock=bound))
    ready.set()
    loop.run_forever()
    server.close()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()
