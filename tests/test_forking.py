"""Workers that begin as copies: only where a copy is whole, and as good as a new process."""

import signal
import threading
from types import SimpleNamespace
from typing import Any

import execnet
import pytest

from conformance.lifecycle.pytest_args import FORKS
from conformance.plugin import forking
from conformance.plugin.forking import ForkedGroup, is_alone, is_plain, pytest_xdist_setupnodes

pytestmark = pytest.mark.skipif(not FORKS, reason="workers are no copies here")

SIGNALS = """
import signal
channel.send([signal.getsignal(number) is usual for number, usual in (
    (signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL))])
channel.send([int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())])
"""


def nodes(group: execnet.Group) -> Any:
    """As much of pytest's configuration as tells where xdist has its workers."""
    manager = SimpleNamespace(group=group)
    plugins = SimpleNamespace(get_plugin=lambda _: SimpleNamespace(nodemanager=manager))
    return SimpleNamespace(pluginmanager=plugins, manager=manager)


@pytest.mark.parametrize(
    ("spec", "plain"),
    [
        ("popen", True),
        ("execmodel=main_thread_only//popen", True),
        ("popen//python=python3.13", False),
        ("popen//chdir=/tmp", False),
        ("popen//env:LANG=C", False),
        ("popen//via=other", False),
        ("ssh=elsewhere", False),
    ],
)
def test_only_a_worker_like_the_controller_can_be_its_copy(spec: str, *, plain: bool) -> None:
    assert is_plain(execnet.XSpec(spec)) is plain


def test_a_process_with_threads_is_not_copied() -> None:
    release = threading.Event()
    other = threading.Thread(target=release.wait)
    other.start()
    try:
        group = execnet.Group()
        config = nodes(group)
        assert not is_alone()
        pytest_xdist_setupnodes(config, [execnet.XSpec("popen")])
        assert config.manager.group is group
    finally:
        release.set()
        other.join()


def test_a_copy_takes_signals_as_a_new_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as the controller, which notes them and goes on."""
    monkeypatch.setattr(forking, "is_alone", lambda: True)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        config = nodes(execnet.Group())
        specs = [execnet.XSpec("execmodel=main_thread_only//popen") for _ in range(2)]
        pytest_xdist_setupnodes(config, specs)
        group = config.manager.group
        assert isinstance(group, ForkedGroup)
        channel = group.makegateway(specs[1]).remote_exec(SIGNALS)
        assert channel.receive(10) == [True, True]
        assert channel.receive(10) == []
        group.makegateway(specs[0])
        group.terminate(10)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_a_worker_that_is_asked_for_later_is_a_new_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forking, "is_alone", lambda: True)
    config = nodes(execnet.Group())
    spec = execnet.XSpec("execmodel=main_thread_only//popen")
    pytest_xdist_setupnodes(config, [spec])
    group = config.manager.group
    group.makegateway(spec)
    spec.id = None
    group.allocate_id(spec)
    assert spec.id == "gw1"
    channel = group.makegateway(spec).remote_exec("import sys; channel.send(len(sys.modules))")
    assert channel.receive(10) < 200
    group.terminate(10)


def test_where_no_process_is_to_be_had_xdist_may_try(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(forking, "is_alone", lambda: True)
    monkeypatch.setattr("os.fork", fork)
    group = execnet.Group()
    config = nodes(group)
    pytest_xdist_setupnodes(config, [execnet.XSpec("popen")])
    assert config.manager.group is group
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
