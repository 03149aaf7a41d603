"""What scenarios ask for. A fixture that the target cannot provide says so: not exercised."""

import hashlib
import os
from collections.abc import Callable, Iterator

import pytest
from filelock import FileLock

from conformance.arrange import Given
from conformance.client import Api
from conformance.imports import Import
from conformance.ledgers import Ledger
from conformance.lookout import Lookout
from conformance.naming import Names
from conformance.plugin.naming import test_id
from conformance.plugin.outcomes import ATTEMPT, RECORDER
from conformance.plugin.session import CONFORMANCE, Conformance
from conformance.recorder import Recorder
from conformance.run import Run
from conformance.samples import Samples
from conformance.target import World
from conformance.wire import Line


@pytest.fixture(scope="session")
def conformance(pytestconfig: pytest.Config) -> Conformance:
    """The run that this process takes part in."""
    return pytestconfig.stash[CONFORMANCE]


@pytest.fixture(scope="session")
def run(conformance: Conformance) -> Run:
    """Target, seed and identity of the run."""
    return conformance.run


@pytest.fixture(scope="session")
def world(run: Run) -> World:
    """What the target declares to exist."""
    return run.target.world


@pytest.fixture
def recorder(request: pytest.FixtureRequest) -> Recorder:
    """The exchanges and findings of this test."""
    node: pytest.Item = request.node
    return node.stash.setdefault(RECORDER, Recorder())


@pytest.fixture
def line(conformance: Conformance, recorder: Recorder) -> Line:
    """The way to the server, with judge and recorder on it."""
    return conformance.line(recorder)


@pytest.fixture
def names(request: pytest.FixtureRequest, run: Run) -> Names:
    """Names of this attempt's own: the same in every process, unlike those of all other tests."""
    place = f"{test_id(request.node)} {request.node.stash.get(ATTEMPT, 1)}"
    return run.names(hashlib.sha256(place.encode()).hexdigest()[:8])


@pytest.fixture
def api_with(run: Run, line: Line) -> Callable[..., Api]:
    """A client for any token, or for none."""

    def make(token: str | None, patient: bool = True) -> Api:
        return Api(line, token, run.identity.game_id or "", patient)

    return make


@pytest.fixture
def api(run: Run, api_with: Callable[..., Api]) -> Api:
    """The client with the server key."""
    return api_with(run.target.token("server"))


@pytest.fixture
def throttled_api(run: Run, api_with: Callable[..., Api]) -> Iterator[Api]:
    """A client with a small rate budget, which sees every 429.

    One test at a time has it, in whichever worker process: what others spend would be seen.
    """
    token = run.target.token("throttled")
    with FileLock(run.lock_file("throttled")):
        yield api_with(token, patient=False)


@pytest.fixture
def client_api(run: Run, api_with: Callable[..., Api]) -> Api:
    """A client with a key of the permission set `client_sdk`."""
    return api_with(run.target.token("client"))


@pytest.fixture
def revoked_api(run: Run, api_with: Callable[..., Api]) -> Api:
    """A client with a revoked key."""
    return api_with(run.target.token("revoked"))


@pytest.fixture
def other_game_api(run: Run, api_with: Callable[..., Api]) -> Api:
    """A client with a server key of another studio and game."""
    return api_with(run.target.token("other_game"))


@pytest.fixture
def given(api: Api, names: Names, world: World, look_out: Callable[[Given], None]) -> Given:
    """Arrangements, whose failure blocks the scenario."""
    return Given(api, names, world, look_out)


@pytest.fixture(scope="session")
def lookout() -> Lookout:
    """What this process knows of the export."""
    return Lookout()


@pytest.fixture
def look_out(conformance: Conformance, lookout: Lookout, run: Run) -> Callable[[Given], None]:
    """Tries the export before a scenario looks through it, apart from its evidence."""

    def check(_: Given) -> None:
        if conformance.harmless_only:
            return  # trying the export takes writes
        token = run.target.token("server")
        own = Api(conformance.line(), token, run.identity.game_id or "")
        lookout.check(Given(own, run.names(f"lookout-{os.getpid()}"), run.target.world))

    return check


@pytest.fixture
def clear_view(look_out: Callable[[Given], None], given: Given) -> None:
    """For tests that look at exports all the time."""
    look_out(given)


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
def batch(request: pytest.FixtureRequest, given: Given) -> Import:
    """The three imports in turn, in one set of words."""
    return Import(request.param, given)


@pytest.fixture(params=["wallet", "inventory"])
def ledger_batch(request: pytest.FixtureRequest, given: Given) -> Import:
    """The imports that add to a ledger, in turn."""
    return Import(request.param, given)


@pytest.fixture(params=["migratePlayers", "migrateWallet", "migrateInventory"])
def importing(request: pytest.FixtureRequest) -> str:
    """The operations of the three imports in turn."""
    return str(request.param)
