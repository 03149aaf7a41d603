"""What the user asked for on the command line, and the run that it makes."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance import resources
from conformance.contract.requirements import catalogue
from conformance.failures import UsageError
from conformance.http.transport import Connecting
from conformance.lifecycle.bundled_target import bundled_target
from conformance.lifecycle.live_keys import harmless_only
from conformance.settings.known_failures import load_known
from conformance.settings.options import OPTIONS
from conformance.settings.profiles import PROFILES
from conformance.settings.required import checked
from conformance.settings.run import Identity, Run, new_id, new_seed
from conformance.settings.target import Target, load_target, target_of_url

LOOKS = ("collectonly", "showfixtures", "show_fixtures_per_test", "cacheshow", "setupplan")
"""pytest's names for its options that run no test."""


def add_options(group: pytest.OptionGroup) -> None:
    """Declare the options to pytest."""
    for option in OPTIONS:
        group.addoption(option.flag, **option.for_argparse)


def option_value(config: pytest.Config, flag: str) -> Any:
    """The value of one of the options."""
    option = next(option for option in OPTIONS if option.flag == flag)
    return config.getoption(option.dest)


class CommandLine:
    """The options of a run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def option(self, flag: str) -> Any:
        """The value of one of the suite's options."""
        return option_value(self.config, flag)

    def path(self, value: object) -> Path:
        """A path as it was meant where pytest was called."""
        return Path(self.config.invocation_params.dir, str(value))

    @property
    def spec_file(self) -> Path:
        """The OpenAPI description: the user's own, or the bundled one."""
        return self.path(self.option("--spec") or resources.spec_file())

    @property
    def only_looks(self) -> bool:
        """Whether tests are only listed, as an IDE does: no server is asked, nothing is written."""
        return any(getattr(self.config.option, name, False) for name in LOOKS)

    @property
    def requirements(self) -> set[str] | None:
        """The requirements that `--requirement` selects, or None for all."""
        ids = self.option("--requirement")
        return None if ids is None else {id.strip() for id in ids.split(",")}

    @property
    def harmless_only(self) -> bool:
        """Whether only scenarios that change nothing may run."""
        return harmless_only(self.option("--allow-live"))

    @property
    def is_bundled(self) -> bool:
        """Whether the server is the one that the suite starts."""
        return all(self.option(flag) is None for flag in ("--base-url", "--target"))

    @property
    def is_whole(self) -> bool:
        """Whether no test is left out: only then a known failure that passes is one too many."""
        option, home = self.config.option, resources.scenarios().resolve()
        chosen = (option.keyword, option.markexpr, self.requirements, option.deselect)
        left_out = (option.ignore, option.ignore_glob, option.maxfail)
        few = PROFILES[self.option("--profile")].most_requests
        places = {self.path(argument).resolve() for argument in self.config.args}
        return not any((*chosen, *left_out, few, self.harmless_only)) and (
            places <= {home, home.parent}
        )

    def refuse_contradictions(self) -> None:
        """UsageError for options that make no sense, alone or together.

        An empty value is a variable that is not set: to test the bundled server then would pass.
        """
        for flag in ("--base-url", "--target"):
            if self.option(flag) == "":
                raise UsageError(f"{flag} is empty: is a variable of the environment not set?")
        if self.option("--examples") is not None and self.option("--examples") < 1:
            raise UsageError("--examples must be at least 1")
        if self.config.getoption("dist", "no") == "each":
            raise UsageError("--dist each runs every test several times: use --dist worksteal")
        if self.option("--fault") and not self.is_bundled:
            raise UsageError("--fault is for the bundled server: leave --base-url and --target out")
        unknown = sorted((self.requirements or set()) - set(catalogue()))
        if unknown:
            known = "`kraty-conformance requirements` lists them"
            raise UsageError(f"--requirement {unknown[0]!r} is no requirement: {known}")

    def target(self) -> Target:
        """The server that is asked for, other than the bundled one. UsageError for a wrong file."""
        base_url, file = self.option("--base-url"), self.option("--target")
        if file is not None:
            target = load_target(self.path(file), os.environ, base_url)
        else:
            target = target_of_url(base_url, os.environ)
        return replace(target, connecting=self._connecting(target.connecting))

    def _connecting(self, declared: Connecting) -> Connecting:
        """How to connect: what the command line says comes before what the target file says."""
        ca, http2 = self.option("--ca"), self.option("--http2")
        return replace(
            declared,
            ca=str(self.path(ca)) if ca else declared.ca,
            http2=http2 or declared.http2,
        )

    def run(self, target: Target) -> Run:
        """The run against a target; its identity is not known yet."""
        profile = PROFILES[self.option("--profile")]
        seed, examples = self.option("--seed"), self.option("--examples")
        known, required = self.option("--known-failures"), self.option("--require")
        return Run(
            id=new_id(),
            profile=profile.name,
            seed=new_seed() if seed is None else seed,
            examples=profile.examples if examples is None else examples,
            shrink=self.option("--shrink"),
            rate=rate_of(self.option("--rate")),
            spec=str(self.spec_file),
            bundled=self.is_bundled,
            target=target,
            identity=Identity(),
            known=load_known(self.path(known)) if known else (),
            required=None if required is None else checked(required),
            fault=self.option("--fault"),
        )

    def bundled_target(self, base_url: str) -> Target:
        """The bundled server as a target, by the name of its fault if it has one."""
        target, fault = bundled_target(base_url), self.option("--fault")
        return replace(target, name=f"{target.name} with {fault}") if fault else target


def rate_of(rate: str | None) -> int:
    """Requests a minute as `--rate` has them, `90` or `90/min`; 0 for no cap."""
    number = (rate or "0").removesuffix("/min")
    if not number.isascii() or not number.isdigit() or (rate and int(number) < 1):
        raise UsageError(f"--rate {rate!r} is no number of requests a minute, such as 90/min")
    return int(number)
