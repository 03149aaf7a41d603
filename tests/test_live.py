"""A live key is refused; `--allow-live` changes nothing on the server."""

from typing import Any, ClassVar

import pytest
from support import Runner, run_at, world_with

from conformance.failures import UsageError
from conformance.lifecycle.live_keys import check_live, environment_of
from conformance.reference.app import Settings
from conformance.reference.services import Parts
from conformance.reference.state import GameState


@pytest.mark.parametrize(
    ("url", "reported", "token", "environment"),
    [
        ("https://api.example", "live", "ksk_test_x.s", "live"),
        ("http://127.0.0.1:1", "live", "ksk_x.s", "live"),
        ("https://api.example", "test", "ksk_live_x.s", "test"),
        ("https://api.example", None, "ksk_test_x.s", "test"),
        ("https://api.example", None, "ksk_x.s", "live"),
        ("https://api.example", "prod", "ksk_x.s", "live"),
        ("http://127.0.0.1:1", None, "ksk_x.s", "test"),
        ("https://localhost.prod.example", None, "ksk_x.s", "live"),
    ],
)
def test_the_environment_is_reported_by_ping_else_by_the_key_else_live(
    url: str, reported: str | None, token: str, environment: str
) -> None:
    assert environment_of(run_at(url, reported, {"server": token})) == environment


def test_a_live_key_needs_an_option() -> None:
    run = run_at("https://api.example", "live", {"server": "ksk_x.s"})
    with pytest.raises(UsageError, match="--allow-live"):
        check_live(run, {}, None)
    check_live(run, {}, "reads")


def test_every_key_that_writes_is_checked() -> None:
    run = run_at("https://api.example", "test", {"server": "ksk_x.s"})
    check_live(run, {"other_game": "test", "throttled": None}, None)
    with pytest.raises(UsageError, match="the other_game key is live"):
        check_live(run, {"other_game": "live"}, None)


class Kept(GameState):
    """Game states that a test can look at."""

    all: ClassVar[list[GameState]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        Kept.all.append(self)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[GameState]:
    states: list[GameState] = []
    monkeypatch.setattr(Kept, "all", states)
    return states


LIVE = world_with("server", environment="live")


def settings() -> Settings:
    return Settings(window=1, parts=Parts(state=Kept))


def test_a_live_key_ends_the_run_before_anything_is_sent(
    run_suite: Runner, kept: list[GameState]
) -> None:
    ended = run_suite("-k", "bans", server=settings(), world=LIVE)
    assert ended.code == 2
    assert "the server key is live" in ended.output
    assert "Traceback" not in ended.output
    assert not list(ended.reports.iterdir())
    assert not any(state.players for state in kept)


def test_with_allow_live_nothing_on_the_server_changes(
    run_suite: Runner, kept: list[GameState]
) -> None:
    ended = run_suite("--allow-live", server=settings(), world=LIVE)
    assert ended.code == 0, ended.output
    assert len(ended.with_outcome("passed")) > 10
    for state in kept:
        assert not state.players
        assert not state.grants
        assert not state.lobbies
        assert not state.erasures
        assert not any(state.keys.values())


def test_another_key_that_is_live_ends_the_run_too(run_suite: Runner) -> None:
    ended = run_suite(
        "--trust-target",
        "-k",
        "bans",
        server=settings(),
        world=world_with("other_game", environment="live"),
    )
    assert ended.code == 2
    assert "the other_game key is live" in ended.output


def test_with_allow_live_writes_everything_runs(run_suite: Runner) -> None:
    ended = run_suite("--allow-live=writes", "-k", "bans", server=settings(), world=LIVE)
    assert ended.code == 0, ended.output
    assert ended.outcome("BAN-1") == "passed"
