"""Requests in HTTP/2, to a server that offers nothing else."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import h2.config
import h2.connection
import h2.events
import pytest
from support import raw_server, until

from conformance.http import transport
from conformance.http.exchange import Request, Response
from conformance.http.last_byte_sync import HeldRequest, release
from conformance.http.transport import Connecting, Transport

LARGE = b"x" * 300_000
Answer = Callable[[bytes], tuple[int, bytes]]


def post(body: bytes = b"{}") -> Request:
    return Request("ping", "POST", "/server/v1/ping", (), body)


@contextmanager
def serving(
    answer: Answer, *, early: bool = False, begun: list[str] | None = None
) -> Iterator[Transport]:
    """A server that answers each body, or each head where it is `early` and reads no more.

    `begun` lists which heads and which ends of requests came, in their order.
    """
    seen: list[str] = [] if begun is None else begun

    def serve(connection: socket.socket) -> None:
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        state.initiate_connection()
        connection.sendall(state.data_to_send())
        bodies: dict[int, bytes] = {}
        while data := connection.recv(65536):
            for event in state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    seen.append("head")
                    bodies[event.stream_id] = b""
                elif isinstance(event, h2.events.DataReceived) and not early:
                    bodies[event.stream_id] += event.data
                    state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    seen.append("end")
                if isinstance(event, h2.events.RequestReceived if early else h2.events.StreamEnded):
                    status, body = answer(bodies[event.stream_id])
                    state.send_headers(event.stream_id, [(":status", str(status))])
                    state.send_data(event.stream_id, body, end_stream=True)
            connection.sendall(state.data_to_send())

    with raw_server(serve) as url:
        sending = Transport(url, idle=5.0, connecting=Connecting(http2=True))
        yield sending
        sending.close()


def length_of(body: bytes) -> tuple[int, bytes]:
    return 200, json.dumps(len(body)).encode()


@pytest.mark.parametrize("body", [b"", b"{}", LARGE])
def test_a_request_is_answered(body: bytes) -> None:
    with serving(length_of) as sending:
        done = [sending.send(post(body)).response for _ in range(3)]
    assert done == [Response(200, (), str(len(body)).encode())] * 3


def test_an_answer_counts_though_the_body_is_not_read() -> None:
    with serving(lambda _: (413, b"too large"), early=True) as sending:
        assert sending.send(post(LARGE)).response == Response(413, (), b"too large")


def test_no_simultaneous_request_is_complete_before_all_have_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[str] = []

    def release_later(requests: Sequence[HeldRequest]) -> None:
        until(lambda: len(begun) == len(requests))
        assert set(begun) == {"head"}
        release(requests)

    monkeypatch.setattr(transport, "release", release_later)
    with serving(length_of, begun=begun) as sending:
        done = sending.send_simultaneously([post()] * 8)
    assert [each.response.status if each.response else each.error for each in done] == [200] * 8
