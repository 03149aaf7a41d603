"""What the target file says and the server does not confirm is configuration, and blames nobody."""

from collections.abc import Callable
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


@pytest.fixture
def target(tmp_path: Path) -> Callable[..., Path]:
    """Writes a target file with members of its world changed, or keys named otherwise."""

    def write(url: str, variables: dict[str, str] | None = None, **world: object) -> Path:
        file = tmp_path / "own.toml"
        write_target(file, "own", url, {**TARGET, **world})
        for role, variable in (variables or {}).items():
            lines = file.read_text().splitlines()
            lines = [f'{role} = "{variable}"' if li.startswith(f"{role} =") else li for li in lines]
            file.write_text("\n".join(lines))
        return file

    return write


@pytest.mark.parametrize(
    ("variables", "world", "line"),
    [
        (
            {"throttled": "KRATY_OTHER_GAME_KEY"},
            {},
            "keys.throttled: it belongs to game game_saltmarsh, the server key to game_emberfall",
        ),
        (
            {"client": "KRATY_SERVER_KEY"},
            {},
            "keys.client: its permission set is server_integration",
        ),
        ({"revoked": "KRATY_SERVER_KEY"}, {}, "keys.revoked: the server accepts it"),
        ({"other_game": "KRATY_SERVER_KEY"}, {}, "keys.other_game: it belongs to the same studio"),
        ({"throttled": "KRATY_REVOKED_KEY"}, {}, "keys.throttled: the server refuses it with 401"),
        ({}, {"items": ["sword"]}, "world.items: the server does not know 'sword' (400)"),
        (
            {},
            {"currencies": ["gold", "pearls"]},
            "world.currencies: the server does not know 'pearls'",
        ),
        ({}, {"crates": ["box"]}, "world.crates: the server does not know 'box'"),
        ({}, {"lobby_event": "brawl"}, "world.lobby_event: the server does not know 'brawl' (404)"),
        ({}, {"lobby_event": "old_event"}, "world.lobby_event: 'old_event' takes no lobby (409"),
        ({}, {"disabled_event": "gone"}, "world.disabled_event: the server does not know 'gone'"),
    ],
)
def test_a_mistake_in_the_target_file_is_configuration(
    variables: dict[str, str],
    world: dict[str, object],
    line: str,
    target: Callable[..., Path],
    run_suite: Runner,
) -> None:
    with reference() as url:
        ended = run_suite("-k", "bans", url=None, target=target(url, variables, **world))
    assert ended.code == 2, ended.output
    assert f"configuration: {line}" in ended.output
    assert "Traceback" not in ended.output
    assert not list(ended.reports.iterdir()), "a run that was none leaves nothing"


class TakesRevoked(Auth):
    """A server that forgot to ask whether a key was revoked."""

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
