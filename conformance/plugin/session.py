"""The run that a pytest process takes part in, and what it tests with."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from conformance import __version__
from conformance.client.api import Api
from conformance.client.channel import Channel, PacedTransport
from conformance.client.created_players import PATTERN, Players
from conformance.client.network_health import MIN_TRIES, SAMPLE, failed_in_transit
from conformance.client.rate_limit import Pacer
from conformance.client.recorder import Recorder
from conformance.client.waiting import Waiting
from conformance.contract.openapi import Spec
from conformance.http.redaction import Redactor
from conformance.plugin.command_line import CommandLine
from conformance.plugin.run_files import RunFiles
from conformance.results.check import Check, redact_check
from conformance.results.known_status import tolerated
from conformance.settings.profiles import PROFILES, Profile
from conformance.settings.run import Identity, Run

CONTROLLER = "main"
"""The name of the process that is no worker of pytest-xdist."""


class RunSession:
    """One process's part in a run; `worker` is its name, `directory` the run's own.

    The controller settles the run, collects what all tests report and writes the results. A worker
    receives the run and only executes scenarios.
    """

    def __init__(
        self, config: pytest.Config, run: Run, spec: Spec, directory: Path, worker: str
    ) -> None:
        self.command_line = CommandLine(config)
        self.run = run
        self.spec = spec
        self.is_controller = worker == CONTROLLER
        self.redactor = Redactor(run.target.keys)
        unpaced = [run.target.keys[role] for role in ("throttled",) if role in run.target.keys]
        self.waiting = Waiting(run.shared, worker)
        place = None if run.bundled else run.shared
        self.pacer = Pacer(place, run.rate, unpaced, self.waiting)
        connecting = run.target.connecting
        self.transport = PacedTransport(run.target.base_url, self.pacer, connecting=connecting)
        journal = None if run.bundled else directory / PATTERN.replace("*", worker)
        self.players = Players(run.prefix, run.target.keys, journal)
        self.files = RunFiles(directory, worker, run.target.base_url)

    def identify(self, identity: Identity) -> None:
        """Note who the server key is."""
        self.run = replace(self.run, identity=identity)

    @property
    def profile(self) -> Profile:
        """How much effort the run makes."""
        return PROFILES[self.run.profile]

    def channel(self, recorder: Recorder | None = None) -> Channel:
        """A way to the server, with judge and recorder on it."""
        found = recorder or Recorder()
        return Channel(self.transport, self.spec, self.redactor, found, self.players)

    def api(self, channel: Channel, role: str) -> Api:
        """A client with the key of a role. NotExercised where the target declares none."""
        return Api(channel, self.run.target.token(role), self.run.identity.game_id or "")

    def header(self) -> list[str]:
        """The settings of the run, one a line."""
        run = self.run
        where = run.identity
        return [
            f"conformance: suite {__version__}, Kraty Server API {self.spec.version}",
            f"target: {run.target.name} ({run.target.base_url}), studio {where.studio_id}, "
            f"game {where.game_id}, environment {where.environment}",
            f"keys: {', '.join(run.target.keys)}",
            f"run: {run.id}, profile {run.profile}, seed {run.seed}, {run.examples} examples an "
            "operation",
        ]

    def reported(self, check: Check) -> Check:
        """The check as it is reported: without secrets, and a known failure as one."""
        return tolerated(redact_check(check, self.redactor), self.run.known, today())

    def sample_the_path(self) -> None:
        """Send pings over a path of which little is known yet: a failure may be its doing."""
        path = self.transport.health
        if self.run.bundled:
            return
        channel = self.channel()
        api = self.api(channel, "server")
        while not path.transit_failures and path.requests < SAMPLE:
            path.transit_failures += failed_in_transit(channel.send(api.request("ping")))

    def outage(self) -> str | None:
        """Why the server cannot be tested although it answers pings; None where it can.

        A server that fails one operation is to blame. One that answers no read at all, of a player
        who is there, is out of order: nothing could be seen of what it does.
        """
        channel = self.channel()
        api = self.api(channel, "server")
        names = self.run.names(f"outage-{os.getpid()}")
        player = names.player()
        if not self.command_line.harmless_only:
            row = {"externalPlayerId": player, "idempotencyKey": names.key()}
            channel.send(api.request("migratePlayers", {"rows": [row]}))
        for operation in ("getPlayer", "exportPlayer"):
            request = api.request(operation, path={"externalId": player})
            if not all(failed_in_transit(channel.send(request)) for _ in range(MIN_TRIES)):
                return None
        return "given up: the server answers pings, but no read of a player"

    def close(self) -> None:
        """Close what the process tests with."""
        self.players.close()
        self.transport.close()


def today() -> date:
    """The day by which known failures expire."""
    return datetime.now(UTC).date()


SESSION = pytest.StashKey[RunSession]()
