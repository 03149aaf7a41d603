"""Sends recorded requests again over one kept connection, and does nothing else: the floor.

    python benchmarks/replay.py HOST PORT FOLDER

`FOLDER` holds what `stopwatch.py` recorded. Prints seconds, the number of requests and that of each
status. Ids that the server makes are others than they were, so a few more answers are 404.
"""

import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path


def requests_of(folder: Path) -> Iterator[bytes]:
    """The requests as they were recorded; simultaneous ones are not."""
    for file in sorted(folder.glob("*.requests")):
        data = memoryview(file.read_bytes())
        while data:
            length = int.from_bytes(data[:4], "big")
            yield bytes(data[4 : 4 + length])
            data = data[4 + length :]


def exchange(connection: socket.socket, request: bytes) -> str:
    """Send a request and read its answer, whose length the head tells; the status."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += part_of(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    left = length - len(body)
    while left:
        left -= len(part_of(connection))
    return head[9:12].decode()


def part_of(connection: socket.socket) -> bytes:
    """What there is; ConnectionError at the end."""
    part = connection.recv(65536)
    if not part:
        raise ConnectionError("the server hung up")
    return part


def main() -> None:
    """Replay and print."""
    host, port, folder = sys.argv[1:]
    recorded = list(requests_of(Path(folder)))
    statuses: Counter[str] = Counter()

    def connected() -> socket.socket:
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    connection = connected()
    begun = time.perf_counter()
    for request in recorded:
        try:
            statuses[exchange(connection, request)] += 1
        except ConnectionError:  # after a request that the server refuses to read to its end
            connection = connected()
            statuses[exchange(connection, request)] += 1
    print(time.perf_counter() - begun, len(recorded), dict(statuses))


if __name__ == "__main__":
    main()
