"""Target files and URLs: every mistake is one clear line."""

from pathlib import Path

import pytest

from conformance.failures import NotExercised, UsageError
from conformance.settings.target import World, load_target, origin_of, target_of_url, write_target

GOOD = """
name = "staging"
base_url = "https://api.staging.example/server/v1/"
[keys]
server = "MY_KEY"
[world]
items = ["potion"]
lobby_event = "brawl"
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "target.toml"
    file.write_text(text)
    return file


def test_a_target_file_is_read(tmp_path: Path) -> None:
    target = load_target(written(tmp_path, GOOD), {"MY_KEY": "a.b"})
    assert target.name == "staging"
    assert target.base_url == "https://api.staging.example"
    assert target.token("server") == "a.b"
    assert target.world.some("items") == ("potion",)


def test_a_base_url_replaces_the_files(tmp_path: Path) -> None:
    target = load_target(written(tmp_path, GOOD), {"MY_KEY": "a.b"}, "http://localhost:1")
    assert target.base_url == "http://localhost:1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base_url = ", "is not TOML"),
        ("", "base_url"),
        ('base_url = "http://a"\nbase = 1', "base"),
        ('base_url = "http://a"\n[keys]\nsever = "X"', "unknown keys.sever"),
        ('base_url = "http://a"\n[keys]\nserver = "ksk_x.SECRET"', "keys.server must be the name"),
        ('base_url = "http://a"\n[world]\nitem = ["x"]', "item"),
        ('base_url = "http://a"\n[world]\nitems = "x"', "items"),
        ('base_url = "http://a"\n[world]\nitems = ["x", "y", "x"]', "world.items has 'x' twice"),
        ('base_url = "ftp://a"\n[keys]\nserver = "MY_KEY"', "not an http(s) URL"),
        ('base_url = "http://a"\n[keys]\nserver = "UNSET"', "variable UNSET"),
        ('base_url = "http://a"\n[keys]\nserver="MY_KEY"\nclient = "UNSET"', "the client key"),
    ],
)
def test_a_broken_target_file_is_a_usage_error(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        load_target(written(tmp_path, text), {"MY_KEY": "a.b"})
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "SECRET" not in str(raised.value)


def test_a_missing_target_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the target file"):
        load_target(tmp_path / "none.toml", {})


@pytest.mark.parametrize(
    "url", ["", "localhost:80", "http://", "http://a:port", "http://u:p@a", "http://a/?x=1"]
)
def test_a_wrong_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        origin_of(url)


@pytest.mark.parametrize(
    "url", ["http://a", "http://a/", "http://a/server/v1", "http://a/server/v1/"]
)
def test_the_base_path_may_be_given(url: str) -> None:
    assert origin_of(url) == "http://a"


def test_a_url_alone_takes_the_keys_that_are_set() -> None:
    keys = {"KRATY_SERVER_KEY": "a.b", "KRATY_CLIENT_KEY": "c.d"}
    assert dict(target_of_url("http://a", keys).keys) == {"server": "a.b", "client": "c.d"}


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(target_of_url("http://a", {"KRATY_SERVER_KEY": "a.secret"}))
    with pytest.raises(UsageError) as raised:
        target_of_url("http://a", {"KRATY_SERVER_KEY": "a.secret\nX: y"})
    assert "secret" not in str(raised.value)


def test_a_world_says_what_to_declare() -> None:
    with pytest.raises(NotExercised, match=r"declare 2 entries in world\.items"):
        World(items=("one",)).some("items", 2)
    with pytest.raises(NotExercised, match=r"declare world\.lobby_event"):
        World().event("lobby_event")


def test_a_written_target_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    world = {"items": ['a"b', "c"], "lobby_event": "brawl", "disabled_event": None}
    write_target(file, "own", "http://a:1", world)
    names = ["SERVER", "THROTTLED", "CLIENT", "REVOKED", "OTHER_GAME"]
    target = load_target(file, {f"KRATY_{name}_KEY": "a.b" for name in names})
    assert target.world == World(items=('a"b', "c"), lobby_event="brawl")
