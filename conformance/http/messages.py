"""HTTP/1.1 as bytes: requests out, responses in. httptools reads, inside the limits of `bounds`."""

import re
from collections.abc import Sequence

import httptools
import httpx

from conformance.http.limits import MAX_BYTES, MAX_HEAD, TooLongError

RawHeaders = Sequence[tuple[bytes, bytes]]
TOLERATED = {
    "lenient_chunked_length": True,
    "lenient_optional_cr_before_lf": True,
    "lenient_spaces_after_chunk_size": True,
}
"""What a recipient may take though no sender may send it (RFC 9112, sections 2.2, 6.3 and 7.1): a
length beside chunks, lines of a head that end without a CR, padded sizes of chunks."""
_TARGET = re.compile(rb"[\x21-\x7e]+")
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"(?:[^\x00\s\x7f](?:[^\x00\r\n\f\v\x7f]*[^\x00\s\x7f])?)?")
_FRAMING = (b"content-length", b"transfer-encoding")
_BODILESS = ("HEAD", "CONNECT")
"""To what a response is over with its head: httptools does not know what was asked."""


def written(method: str, target: bytes, headers: RawHeaders, body: bytes = b"") -> bytes:
    """A request; httpx.LocalProtocolError for a target or header that no request can have."""
    if not _TARGET.fullmatch(target):
        raise httpx.LocalProtocolError(f"Illegal target {target!r}")
    verb = method.encode()
    if not _NAME.fullmatch(verb):
        raise httpx.LocalProtocolError(f"Illegal method {method!r}")
    for name, value in headers:
        if not _NAME.fullmatch(name):
            raise httpx.LocalProtocolError(f"Illegal header name {name!r}")
        if not _VALUE.fullmatch(value):
            raise httpx.LocalProtocolError(f"Illegal header value of {name!r}")
    first = b"%b %b HTTP/1.1\r\n" % (verb, target)
    return b"".join([first, *(b"%b: %b\r\n" % pair for pair in headers), b"\r\n", body])


class Reading:
    """The response to a request by `method`, as it comes: it takes bytes until it `is_over`.

    Then there are `status`, `headers` and `response`, and `keeps` says whether the connection may
    carry another exchange: not where bytes came behind the end. Responses that only announce
    another (1xx) are passed over.
    """

    def __init__(self, method: str) -> None:
        self.method = method
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.keeps = False
        self.is_over = False
        self._has_head = False
        self._body = bytearray()  # a list of parts would take eighty bytes for each
        self._bare = 0
        self._problem: str | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**TOLERATED)

    def take(self, data: bytes) -> None:
        """The bytes that came next.

        httpx.RemoteProtocolError where they are no HTTP, or a head without an end; TooLongError.
        """
        before = len(self._body)
        problem = self._fed(data)
        self._bare = 0 if len(self._body) > before else self._bare + len(data)
        if self._bare > MAX_HEAD:
            problem = f"more than {MAX_HEAD // 1024} KiB that are no body"
        if problem and not self.is_over:
            raise httpx.RemoteProtocolError(problem)
        self.keeps = self.keeps and not problem
        if len(self._body) > MAX_BYTES:
            raise TooLongError

    def _fed(self, data: bytes) -> str | None:
        """What is wrong with the bytes."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return "another protocol, which was not asked for"
        except httptools.HttpParserCallbackError as error:
            inner = error.__context__
            if isinstance(inner, httptools.HttpParserError):
                return str(inner)
            raise inner or error  # noqa: B904 - an interruption, say, in one of the calls below
        except httptools.HttpParserError as error:
            return str(error)
        return self._problem

    def hang_up(self) -> None:
        """Nothing more will come. httpx.RemoteProtocolError where something is missing."""
        names = {name.lower() for name, _ in self.headers}
        if not self._has_head or not names.isdisjoint(_FRAMING):
            raise httpx.RemoteProtocolError("the server hung up before the end of its answer")
        self.is_over = True

    @property
    def response(self) -> httpx.Response:
        """The response; its `stream` is the body, still in its content coding."""
        stream = httpx.ByteStream(bytes(self._body))
        return httpx.Response(self.status, headers=self.headers, stream=stream)

    def close(self) -> None:
        """Let go of the parser, which keeps this and its body alive."""
        del self._parser

    # What httptools calls. Behind the end it reads on, as if another response had been asked for.

    def on_message_begin(self) -> None:
        """A response, or what may become one."""
        self.keeps = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; behind the body it is a trailer, which nobody wants."""
        if not self._has_head:
            self.headers.append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """The end of the head."""
        if self._has_head:
            return
        self.status = self._parser.get_status_code()
        if self.status < httpx.codes.CONTINUE:
            self._problem = f"status {self.status:03}"
        if self.status < httpx.codes.OK:
            self.headers.clear()
            return
        self._has_head = True
        self.is_over = self.method in _BODILESS
        self.keeps = self._parser.should_keep_alive() and not self.is_over

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        if not self._has_head:
            self._problem = f"a body behind status {self.status}"
        elif not self.is_over:
            self._body += data

    def on_message_complete(self) -> None:
        """The end of the response."""
        self.is_over = self._has_head
