"""`exchanges.har`: the exchanges that led to failures and open questions, whole.

HAR 1.2, which browsers' developer tools open. Each process of a run appends the entries of its
tests to a file of its own as they come; at the end, or after a crash, they are put together.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conformance import __version__
from conformance.http.exchange import Exchange, Headers, Request, Response, header

NAME = "exchanges.har"
PART = "exchanges-{}.jsonl"
PARTS = PART.format("*")
UNKNOWN = -1
"""What HAR writes for a size that nobody measured."""


class HarPart:
    """The entries of one process. OSError where the disk is full."""

    def __init__(self, directory: Path, worker: str, base_url: str) -> None:
        self.path = directory / PART.format(worker)
        self.base_url = base_url

    def add(self, test: str, exchanges: Iterable[Exchange]) -> None:
        """Append the redacted exchanges of a test."""
        entries = [har_entry(exchange, self.base_url, test) for exchange in exchanges]
        if entries:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in entries)


def join_parts(directory: Path) -> None:
    """Put the entries of all processes into `exchanges.har`, in their order in time."""
    parts = sorted(directory.glob(PARTS))
    entries = [entry for part in parts for entry in _entries(part)]
    if not parts and (directory / NAME).exists():
        return
    entries.sort(key=lambda entry: str(entry["startedDateTime"]))
    creator = {"name": "kraty-conformance", "version": __version__}
    har = {"log": {"version": "1.2", "creator": creator, "pages": [], "entries": entries}}
    (directory / NAME).write_text(json.dumps(har), encoding="utf-8")
    for part in parts:
        part.unlink()


def _entries(part: Path) -> Iterator[dict[str, Any]]:
    for line in part.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return  # a process that was killed left a line that ends in its middle


def har_entry(exchange: Exchange, base_url: str, test: str) -> dict[str, Any]:
    """One exchange; a request without an answer has the status 0, as browsers write it."""
    milliseconds = exchange.seconds * 1000
    moment = datetime.fromtimestamp(exchange.started, UTC)
    return {
        "startedDateTime": moment.isoformat(timespec="microseconds"),
        "time": milliseconds,
        "request": _request(exchange.request, base_url),
        "response": _response(exchange.response, exchange.error),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "comment": test,
    }


def _request(request: Request, base_url: str) -> dict[str, Any]:
    query = urlsplit(request.target).query
    shown: dict[str, Any] = {
        "method": request.method,
        "url": base_url + request.target,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(request.headers),
        "queryString": [
            {"name": n, "value": v} for n, v in parse_qsl(query, keep_blank_values=True)
        ],
        "headersSize": UNKNOWN,
        "bodySize": len(request.body),
    }
    if request.body:
        kind = header(request.headers, "content-type") or ""
        shown["postData"] = {"mimeType": kind, "text": request.body.decode("utf-8", "replace")}
    return shown


def _response(response: Response | None, error: str | None) -> dict[str, Any]:
    came = response or Response(0, (), b"")
    headers, body = came.headers, came.body
    return {
        "status": came.status,
        "statusText": error or "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(headers),
        "content": _content(header(headers, "content-type") or "", body),
        "redirectURL": header(headers, "location") or "",
        "headersSize": UNKNOWN,
        "bodySize": len(body),
    }


def _content(kind: str, body: bytes) -> dict[str, Any]:
    try:
        return {"size": len(body), "mimeType": kind, "text": body.decode("utf-8")}
    except UnicodeDecodeError:
        text = base64.b64encode(body).decode()
        return {"size": len(body), "mimeType": kind, "text": text, "encoding": "base64"}


def _headers(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]
