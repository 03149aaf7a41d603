"""Erases what a run left on a server, from the run's directory."""

from collections.abc import Mapping
from pathlib import Path

from conformance import resources
from conformance.cleanup import Cleaned, erase
from conformance.client import Api
from conformance.exchange import Redactor
from conformance.failures import UsageError
from conformance.players import created_in, keep_only
from conformance.preflight import identify
from conformance.recorder import Recorder
from conformance.recovery import document_of
from conformance.run import prefix_of
from conformance.spec import load_spec
from conformance.target import load_target, target_of_url
from conformance.wire import Line, Wire


def clean_directory(
    directory: Path, target_file: Path | None, environment: Mapping[str, str]
) -> Cleaned:
    """Erase the players of the run whose directory this is; its files keep who is left.

    UsageError for a directory that no run left, or a target that is another server; Unreachable
    where the server does not answer.
    """
    document = document_of(directory)
    base_url, prefix = document["target"]["baseUrl"], prefix_of(document["run"]["id"])
    target = (
        load_target(target_file, environment)
        if target_file
        else target_of_url(base_url, environment)
    )
    if target.base_url != base_url:
        raise UsageError(f"the run was against {base_url}, the target is {target.base_url}")
    left = created_in(directory)
    wire = Wire(base_url)
    try:
        line = Line(wire, load_spec(resources.spec_file()), Redactor(target.keys), Recorder())
        identity = identify(line, target.token("server"))
        if identity.game_id != document["target"]["gameId"]:
            told = f"game {document['target']['gameId']}, the key to {identity.game_id}"
            raise UsageError(f"the run's players belong to {told}")
        erasers = {role: Api(line, token, "") for role, token in target.keys.items()}
        done = erase(erasers, left, prefix)
    finally:
        wire.close()
    keep_only(directory, done.left)
    return done
