"""`exchanges.har`: the whole exchanges that led to failures and open questions.

Browsers' developer tools open it. Each process of a run appends the entries of its tests to a file
of its own; at the end of the run, or after a crash, the files are joined.
"""

import base64
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import harfile
import msgspec

from conformance import __version__
from conformance.http.exchange import Exchange, Headers, header

NAME = "exchanges.har"
PART = "exchanges-{}.jsonl"
PARTS = PART.format("*")
HTTP_VERSION = "HTTP/1.1"


class Entry(msgspec.Struct, frozen=True):
    """An entry of a HAR file; `comment` is the test."""

    startedDateTime: str  # noqa: N815 - HAR's name
    time: float
    request: harfile.Request
    response: harfile.Response
    timings: harfile.Timings
    comment: str


class HarPart:
    """The entries of one process. OSError if the disk is full."""

    def __init__(self, directory: Path, worker: str, base_url: str) -> None:
        self.path = directory / PART.format(worker)
        self.base_url = base_url

    def add(self, test: str, exchanges: Iterable[Exchange]) -> None:
        """Append the redacted exchanges of a test."""
        lines = [msgspec.json.encode(_entry(one, self.base_url, test)) for one in exchanges]
        if lines:
            with self.path.open("ab") as file:
                file.writelines(line + b"\n" for line in lines)


def join_parts(directory: Path) -> None:
    """Write the entries of all processes to `exchanges.har`, ordered by time."""
    parts = sorted(directory.glob(PARTS))
    if not parts and (directory / NAME).exists():
        return
    entries = [entry for part in parts for entry in _entries(part)]
    creator = harfile.Creator("kraty-conformance", __version__)
    with (
        (directory / NAME).open("w", encoding="utf-8") as file,
        harfile.HarFile(file, creator=creator) as har,
    ):
        for entry in sorted(entries, key=lambda entry: entry.startedDateTime):
            har.add_entry(**msgspec.structs.asdict(entry))
    for part in parts:
        part.unlink()


def _entries(part: Path) -> Iterator[Entry]:
    for line in part.read_bytes().splitlines():
        try:
            yield msgspec.json.decode(line, type=Entry)
        except msgspec.DecodeError:
            return  # a killed process left an incomplete last line


def _entry(exchange: Exchange, base_url: str, test: str) -> Entry:
    milliseconds = exchange.seconds * 1000
    moment = datetime.fromtimestamp(exchange.started, UTC)
    return Entry(
        startedDateTime=moment.isoformat(timespec="microseconds"),
        time=milliseconds,
        request=_request(exchange, base_url),
        response=_response(exchange),
        timings=harfile.Timings(send=0, wait=milliseconds, receive=0),
        comment=test,
    )


def _request(exchange: Exchange, base_url: str) -> harfile.Request:
    request = exchange.request
    kind = header(request.headers, "content-type") or ""
    body = harfile.PostData(kind, text=request.body.decode("utf-8", "replace"))
    return harfile.Request(
        request.method,
        base_url + request.target,
        HTTP_VERSION,
        headers=_records(request.headers),
        queryString=_records(parse_qsl(urlsplit(request.target).query, keep_blank_values=True)),
        postData=body if request.body else None,
        bodySize=len(request.body),
    )


def _response(exchange: Exchange) -> harfile.Response:
    """The response; without one, status 0, as browsers write it."""
    response = exchange.response
    if response is None:
        return harfile.Response(0, exchange.error or "", HTTP_VERSION, bodySize=0)
    content = harfile.Content(len(response.body), mimeType=response.media_type)
    try:
        content.text = response.body.decode("utf-8")
    except UnicodeDecodeError:
        content.text, content.encoding = base64.b64encode(response.body).decode(), "base64"
    return harfile.Response(
        response.status,
        "",
        HTTP_VERSION,
        headers=_records(response.headers),
        content=content,
        redirectURL=header(response.headers, "location") or "",
        bodySize=len(response.body),
    )


def _records(pairs: Headers | list[tuple[str, str]]) -> list[harfile.Record]:
    return [harfile.Record(name, value) for name, value in pairs]
