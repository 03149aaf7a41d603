"""What scenarios ask for. A fixture that the target cannot provide says so: not exercised."""

import hashlib
import os
from collections.abc import Callable, Iterator

import pytest

from conformance.client.api import Api
from conformance.client.channel import Channel
from conformance.client.recorder import Recorder
from conformance.failures import Inconclusive
from conformance.fuzzing.oracle import Oracle
from conformance.plugin.outcomes import ATTEMPT, RECORDER
from conformance.plugin.session import SESSION, RunSession
from conformance.plugin.test_ids import test_id
from conformance.settings.names import Names
from conformance.settings.run import Run
from conformance.settings.target import World
from conformance.testkit.export_probe import ExportProbe
from conformance.testkit.first_uses import FirstUses
from conformance.testkit.given import Given
from conformance.testkit.import_batches import ImportBatch
from conformance.testkit.ledgers import Ledger
from conformance.testkit.sample_requests import Samples
from conformance.testkit.share import Share, share_of

LOCK_SECONDS = 600.0
"""How long a test waits for a key; other tests hold it for some rate windows."""


def run_of(request: pytest.FixtureRequest) -> RunSession:
    """The run that this process takes part in.

    Fixtures that nearly every test has take it from here: another fixture below each of them
    would cost more than a request does.
    """
    return request.config.stash[SESSION]


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """Target, seed and identity of the run."""
    return run_of(request).run


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """What the target declares to exist."""
    return run_of(request).run.target.world


@pytest.fixture
def channel(request: pytest.FixtureRequest) -> Channel:
    """The channel to the server, which checks and records every exchange."""
    node: pytest.Item = request.node
    return run_of(request).channel(node.stash.setdefault(RECORDER, Recorder()))


@pytest.fixture
def recorder(channel: Channel) -> Recorder:
    """The exchanges and findings of this test."""
    return channel.recorder


@pytest.fixture
def names(request: pytest.FixtureRequest) -> Names:
    """Names of this attempt's own: the same in every process, unlike those of all other tests."""
    place = f"{test_id(request.node)} {request.node.stash.get(ATTEMPT, 1)}"
    return run_of(request).run.names(hashlib.sha256(place.encode()).hexdigest()[:8])


@pytest.fixture
def api(request: pytest.FixtureRequest, channel: Channel) -> Api:
    """The client with the server key."""
    return run_of(request).api(channel, "server")


@pytest.fixture
def keyless_api(api: Api) -> Api:
    """A client without a key."""
    return api.with_token(None)


@pytest.fixture
def throttled_api(request: pytest.FixtureRequest, channel: Channel) -> Iterator[Api]:
    """A client with a small rate budget, which sees every 429.

    One test at a time has it, in whichever process of any run on this machine: what others spend
    would be seen.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - asyncio is not needed at first

    api = run_of(request).api(channel, "throttled")
    api.waits_on_429 = False
    lock = FileLock(run_of(request).run.lock_file("throttled"))
    with run_of(request).waiting.noting("its turn with the throttled key"):
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise Inconclusive("another run on this machine does not let go of the key") from None
    try:
        yield api
    finally:
        lock.release()


@pytest.fixture
def client_api(request: pytest.FixtureRequest, channel: Channel) -> Api:
    """A client with a key of the permission set `client_sdk`."""
    return run_of(request).api(channel, "client")


@pytest.fixture
def revoked_api(request: pytest.FixtureRequest, channel: Channel) -> Api:
    """A client with a revoked key."""
    return run_of(request).api(channel, "revoked")


@pytest.fixture
def other_game_api(request: pytest.FixtureRequest, channel: Channel) -> Api:
    """A client with a server key of another studio and game."""
    return run_of(request).api(channel, "other_game")


@pytest.fixture
def given(
    request: pytest.FixtureRequest, api: Api, names: Names, check_export: Callable[[Given], None]
) -> Given:
    """Arrangements, whose failure blocks the scenario."""
    return Given(api, names, run_of(request).run.target.world, check_export)


@pytest.fixture(scope="session")
def made_first() -> FirstUses:
    """The first uses of keys, made when the export is checked."""
    return FirstUses()


@pytest.fixture
def first_uses(
    made_first: FirstUses, check_export: Callable[[Given], None], given: Given
) -> FirstUses:
    """The first uses of keys; made now if nothing was made at the beginning."""
    check_export(given)
    return made_first.made_with(given)


@pytest.fixture(scope="session")
def check_export(request: pytest.FixtureRequest, made_first: FirstUses) -> Callable[[Given], None]:
    """Checks the export once, before a scenario relies on it, apart from its evidence."""
    session, probe = run_of(request), ExportProbe()
    uses_keys = session.profile.most_requests is None

    def check(_: Given) -> None:
        if session.command_line.harmless_only:
            return  # trying the export takes writes
        own = session.api(session.channel(), "server")
        names = session.run.names(f"export-probe-{os.getpid()}")
        arranging = Given(own, names, session.run.target.world)
        if uses_keys:
            made_first.made_with(arranging).make_all()
        probe.check(arranging)

    return check


@pytest.fixture
def oracle(api: Api, given: Given) -> Oracle:
    """Judges what a test does."""
    return Oracle(api, given)


@pytest.fixture(scope="session")
def share(run: Run) -> Share:
    """Takes the part of a list that the run's seed chooses."""
    return share_of(run)


@pytest.fixture
def trusted_export(check_export: Callable[[Given], None], given: Given) -> None:
    """Checks the export for tests that rely on it throughout."""
    check_export(given)


@pytest.fixture
def game_id(given: Given) -> str:
    """The game of the server key."""
    return given.game()


@pytest.fixture
def samples(given: Given) -> Samples:
    """A valid call of each operation."""
    return Samples(given)


@pytest.fixture(params=["wallet", "inventory"])
def ledger(request: pytest.FixtureRequest, given: Given) -> Ledger:
    """Both ledgers in turn, in one set of words."""
    return Ledger(request.param, given)


@pytest.fixture
def player(names: Names) -> str:
    """An external id that the server has never seen."""
    return names.player()


@pytest.fixture(params=["players", "wallet", "inventory"])
def batch(request: pytest.FixtureRequest, given: Given) -> ImportBatch:
    """The three imports in turn, in one set of words."""
    return ImportBatch(request.param, given)


@pytest.fixture(params=["wallet", "inventory"])
def ledger_batch(request: pytest.FixtureRequest, given: Given) -> ImportBatch:
    """The imports that add to a ledger, in turn."""
    return ImportBatch(request.param, given)


@pytest.fixture(params=["migratePlayers", "migrateWallet", "migrateInventory"])
def importing(request: pytest.FixtureRequest) -> str:
    """The operations of the three imports in turn."""
    return str(request.param)
