"""What `--require` asks of a run: how much it has to exercise for its gate to pass."""

from collections.abc import Collection

from conformance.contract.requirements import Level, catalogue
from conformance.failures import UsageError

ALL = "all"
MAX_NAMED = 8


def checked(required: str) -> str:
    """The value of the option: `all`, a number of MUSTs, or ids. UsageError for anything else."""
    musts = [id for id, row in catalogue().items() if row.level is Level.MUST]
    if required.isascii() and required.isdigit():
        if not 1 <= int(required) <= len(musts):
            raise UsageError(f"--require {required}: there are {len(musts)} MUSTs")
        return required
    unknown = sorted(set(_ids(required)) - set(catalogue()))
    if required != ALL and unknown:
        wanted = "give `all`, a number of MUSTs, or ids of requirements"
        raise UsageError(f"--require {required!r}: {unknown[0]!r} is no requirement; {wanted}")
    return required


def shortfall(required: str, exercised: Collection[str]) -> str | None:
    """What is missing, if the run exercised these requirements; None where it is enough."""
    musts = [id for id, row in catalogue().items() if row.level is Level.MUST]
    if required.isdigit():
        count = sum(id in exercised for id in musts)
        return f"--require asks for {required} MUSTs" if count < int(required) else None
    wanted = musts if required == ALL else _ids(required)
    missing = [id for id in wanted if id not in exercised]
    if not missing:
        return None
    more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
    return f"--require asks also for {', '.join(missing[:MAX_NAMED])}{more}"


def _ids(required: str) -> list[str]:
    return [id.strip() for id in required.split(",")]
