"""The target of a run: a URL, its keys, and what exists on the server."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from conformance.contract.input_files import read_input
from conformance.contract.openapi import BASE_PATH
from conformance.failures import NotExercised, UsageError
from conformance.http.transport import USUALLY, Connecting

MAX_MEBIBYTES = 1
MAX_DECLARED = 200
"""Items, currencies or crates in a target file; the preflight tries each of them once."""
DEFAULT_VARIABLES = {
    "server": "KRATY_SERVER_KEY",
    "throttled": "KRATY_THROTTLED_KEY",
    "client": "KRATY_CLIENT_KEY",
    "revoked": "KRATY_REVOKED_KEY",
    "other_game": "KRATY_OTHER_GAME_KEY",
}
"""Environment variables by role. Those that are set are used if there is no target file."""


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What exists on the server, as the target file's `[world]` declares it."""

    items: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    crates: tuple[str, ...] = ()
    lobby_event: str | None = None
    other_mode_event: str | None = None
    disabled_event: str | None = None

    def some(self, name: str, count: int = 1) -> tuple[str, ...]:
        """The first `count` of `items`, `currencies` or `crates`; NotExercised if too few."""
        declared: tuple[str, ...] = getattr(self, name)
        if len(declared) < count:
            number = "one entry" if count == 1 else f"{count} entries"
            raise NotExercised(f"declare {number} in world.{name} of the target file")
        return declared[:count]

    def event(self, name: str) -> str:
        """`lobby_event`, `other_mode_event` or `disabled_event`; NotExercised if not declared."""
        declared: str | None = getattr(self, name)
        if declared is None:
            raise NotExercised(f"declare world.{name} in the target file")
        return declared


class _TargetFile(msgspec.Struct, forbid_unknown_fields=True):
    base_url: str
    name: str | None = None
    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    http2: bool = False
    keys: dict[str, str] = {}
    world: World = World()


@dataclass(frozen=True)
class Target:
    """A server under test. `keys` holds tokens by role; they are never written to disk.

    `variables` are the names of the environment variables that held them.
    """

    name: str
    base_url: str
    keys: Mapping[str, str] = field(repr=False)
    world: World
    connecting: Connecting = USUALLY
    variables: Mapping[str, str] = field(default_factory=dict)

    def token(self, role: str) -> str:
        """The token of a role; NotExercised if the target declares none."""
        if role not in self.keys:
            raise NotExercised(f"declare keys.{role} in the target file")
        return self.keys[role]


def origin_of(base_url: str) -> str:
    """The URL before the base path; UsageError if it is not valid."""
    parts = urlsplit(base_url)
    try:
        parts.port  # noqa: B018 - the property raises for an invalid port
    except ValueError:
        raise UsageError(f"the base URL {base_url!r} has no valid port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"the base URL {base_url!r} is not an http(s) URL; give https://host[:port]"
        )
    if parts.username or parts.query or parts.fragment:
        raise UsageError("the base URL must have no user, query or fragment")
    return base_url.rstrip("/").removesuffix(BASE_PATH).rstrip("/")


def load_target(path: Path, environment: Mapping[str, str], base_url: str | None = None) -> Target:
    """Read a target file; `base_url` replaces the file's. UsageError for any mistake in it."""
    document = _toml_in(path)
    if base_url is not None:
        document["base_url"] = base_url
    try:
        declared = msgspec.convert(document, type=_TargetFile)
    except msgspec.ValidationError as error:
        raise UsageError(f"the target file {path}: {error}") from None
    _check_world(path, declared.world)
    unknown = sorted(set(declared.keys) - set(DEFAULT_VARIABLES))
    if unknown:
        known = ", ".join(DEFAULT_VARIABLES)
        raise UsageError(f"the target file {path}: unknown keys.{unknown[0]} (known: {known})")
    for role, name in declared.keys.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):  # not shown, since it may be the key
            wanted = f"the name of an environment variable, such as {DEFAULT_VARIABLES[role]}"
            raise UsageError(f"the target file {path}: keys.{role} must be {wanted}, not the key")
    variables = {"server": DEFAULT_VARIABLES["server"], **declared.keys}
    tokens = {role: _variable(name, role, environment) for role, name in variables.items()}
    origin = origin_of(declared.base_url)
    connecting = _connecting(path, declared)
    name = declared.name or origin
    return Target(name, origin, tokens, declared.world, connecting, variables)


def _toml_in(path: Path) -> dict[str, Any]:
    try:
        text = read_input(path, "the target file", MAX_MEBIBYTES)
        return tomllib.loads(text.decode())
    except RecursionError:
        raise UsageError(f"the target file {path} is nested too deeply") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the target file {path} is not TOML: {error}") from None


def _check_world(path: Path, world: World) -> None:
    """UsageError for too many entries, or for one that is there twice."""
    for name in ("items", "currencies", "crates"):
        keys: tuple[str, ...] = getattr(world, name)
        if len(keys) > MAX_DECLARED:
            few = f"give at most {MAX_DECLARED}: the suite uses a few"
            raise UsageError(f"the target file {path}: world.{name} has {len(keys)} entries; {few}")
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise UsageError(f"the target file {path}: world.{name} has {twice[0]!r} twice")


def _connecting(path: Path, declared: _TargetFile) -> Connecting:
    """How to connect. The target file names other files relative to its own folder."""
    if declared.client_key and not declared.client_cert:
        raise UsageError(f"the target file {path} has a client_key, but no client_cert")

    def beside(name: str | None) -> str | None:
        return str(path.parent / name) if name else None

    return Connecting(
        ca=beside(declared.ca),
        client_cert=beside(declared.client_cert),
        client_key=beside(declared.client_key),
        http2=declared.http2,
    )


def target_of_url(
    base_url: str,
    environment: Mapping[str, str],
    variables: Mapping[str, str] = DEFAULT_VARIABLES,
) -> Target:
    """A target of which only the URL is known, with the keys in the environment.

    `variables` are the names of those that may hold a key, by role. The server key is needed.
    """
    origin = origin_of(base_url)
    names = {"server": DEFAULT_VARIABLES["server"], **variables}
    held = {role: name for role, name in names.items() if role == "server" or environment.get(name)}
    tokens = {role: _variable(name, role, environment) for role, name in held.items()}
    return Target(origin, origin, tokens, World(), variables=held)


def _variable(name: str, role: str, environment: Mapping[str, str]) -> str:
    token = environment.get(name, "").strip()
    if not token:
        raise UsageError(f"the {role} key is missing: set the environment variable {name}")
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise UsageError(
            f"the {role} key in {name} contains characters that keys never contain; check its value"
        )
    return token


def write_target(
    path: Path,
    name: str,
    base_url: str,
    world: Mapping[str, Any],
    variables: Mapping[str, str] = DEFAULT_VARIABLES,
) -> None:
    """Write a target file; `variables` hold the keys, by role. OSError if that fails."""
    lines = [f"name = {as_toml(name)}", f"base_url = {as_toml(base_url)}", "", "[keys]"]
    lines += [f"{role} = {as_toml(variable)}" for role, variable in variables.items()]
    lines += ["", "[world]"]
    lines += [f"{key} = {as_toml(value)}" for key, value in world.items() if value]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def as_toml(value: str | list[str]) -> str:
    """A value in TOML, which writes strings and arrays as JSON does."""
    return msgspec.json.encode(value).decode()
