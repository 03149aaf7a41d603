"""Reads the files that a user gives, within limits: a wrong file must not keep a run for hours."""

from pathlib import Path

from conformance.failures import UsageError

MEBIBYTE = 2**20


def read_input(path: Path, what: str, mebibytes: int) -> bytes:
    """The content of a file; `what` names it in messages. UsageError if that is too much."""
    try:
        with path.open("rb") as file:
            content = file.read(mebibytes * MEBIBYTE + 1)
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {error.strerror}") from None
    if len(content) > mebibytes * MEBIBYTE:
        raise UsageError(f"{what} {path}: more than {mebibytes} MiB; is it the right file?")
    return content
