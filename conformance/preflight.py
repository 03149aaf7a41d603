"""Before any verdict: is there a server, and does it take the key?"""

from conformance.client import Answer, Api
from conformance.exchange import Redactor
from conformance.failures import Inconclusive, Mismatch, Unreachable
from conformance.recorder import Recorder
from conformance.run import Identity
from conformance.spec import Spec
from conformance.target import Target
from conformance.wire import Line, Wire


def identify(target: Target, spec: Spec) -> Identity:
    """Ask `/ping` who the server key is.

    Unreachable where nobody answers, the key is refused, or what answers is no Kraty API. A
    server whose ping is broken but which otherwise speaks the API is let through: PING-1 is the
    place to say so.
    """
    wire = Wire(target.base_url)
    try:
        line = Line(wire, spec, Redactor(target.keys), Recorder())
        answer = Api(line, target.keys["server"], "").ping()
        if answer.status in (401, 403):
            raise Unreachable(
                f"{target.base_url} refuses the server key with {answer.status} "
                f"({answer.code or 'no error code'}); check the key and its permission set"
            )
        if answer.status != 200 and not _speaks_the_api(line):
            raise Unreachable(
                f"{target.base_url} answers /server/v1/ping with {answer.status}; "
                "is the base URL right?"
            )
        return _identity(answer)
    except (Inconclusive, Mismatch) as failure:
        raise Unreachable(f"{target.base_url} does not answer: {failure}") from None
    finally:
        wire.close()


def _speaks_the_api(line: Line) -> bool:
    """Whether another operation asks for a key; a path that nobody serves does not."""
    answer = Api(line, None, "").get_player("kc-nobody")
    return answer.status == 401 and answer.code is not None


def _identity(answer: Answer) -> Identity:
    body = answer.body if isinstance(answer.body, dict) else {}
    key = body.get("apiKey")
    if not isinstance(key, dict):
        return Identity()

    def text(name: str) -> str | None:
        value = key.get(name)
        return value if isinstance(value, str) else None

    return Identity(text("prefix"), text("environment"), text("studioId"), text("gameId"))
