"""A target file that the server does not confirm is a configuration error, not a failure."""

import re
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from support import Runner, reference

from conformance import resources
from conformance.lifecycle.bundled_target import declared
from conformance.reference.app import Settings
from conformance.reference.auth import Auth
from conformance.reference.errors import ApiError
from conformance.reference.services import Parts
from conformance.reference.world import Game, Key, load_world
from conformance.settings.target import write_target

TARGET = declared(load_world(resources.world_file()))


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        (
            "keys.throttled",
            "KRATY_OTHER_GAME_KEY",
            "it belongs to game game_saltmarsh, the server key to game_emberfall",
        ),
        ("keys.throttled", "KRATY_REVOKED_KEY", "the server refuses it with 401"),
        ("keys.client", "KRATY_SERVER_KEY", "its permission set is server_integration"),
        ("keys.revoked", "KRATY_SERVER_KEY", "the server accepts it"),
        ("keys.other_game", "KRATY_SERVER_KEY", "it belongs to the same studio"),
        ("world.items", ["sword"], "the server does not know 'sword' (400)"),
        ("world.currencies", ["gold", "pearls"], "the server does not know 'pearls'"),
        ("world.crates", ["box"], "the server does not know 'box'"),
        ("world.lobby_event", "brawl", "the server does not know 'brawl' (404)"),
        ("world.lobby_event", "old_event", "'old_event' takes no lobby (409"),
        ("world.disabled_event", "gone", "the server does not know 'gone'"),
    ],
)
def test_a_mistake_in_the_target_file_is_configuration(
    member: str, value: object, words: str, tmp_path: Path, run_suite: Runner
) -> None:
    file, (table, _, name) = tmp_path / "own.toml", member.partition(".")
    with reference() as url:
        write_target(file, "own", url, {**TARGET, **({name: value} if table == "world" else {})})
        if table == "keys":
            file.write_text(re.sub(rf'(?m)^{name} = ".*"', f'{name} = "{value}"', file.read_text()))
        ended = run_suite("-k", "bans", target=file)
    assert ended.code == 2, ended.output
    assert f"configuration: {member}: {words}" in ended.output
    assert "Traceback" not in ended.output
    assert not list(ended.reports.iterdir()), "a run that was none leaves nothing"


class TakesRevoked(Auth):
    """A server that accepts revoked keys."""

    def identify(self, headers: Headers) -> tuple[Game, Key]:
        try:
            return super().identify(headers)
        except ApiError:
            found = self.find(headers.get("authorization", "").removeprefix("Bearer "))
            if found is None:
                raise
            return found


def test_trust_target_blames_the_server(run_suite: Runner) -> None:
    faulty = Settings(window=1, parts=Parts(auth=TakesRevoked))
    with reference(faulty) as url:
        doubtful = run_suite("-k", "revoked", url=url)
        certain = run_suite("--trust-target", "-k", "revoked", url=url)
    assert doubtful.code == 2
    assert "keys.revoked" in doubtful.output
    assert certain.code == 1
    assert certain.outcome("AUTH-2") == "failed"
