"""Workers of pytest-xdist that begin as copies of the controller, and so need load nothing.

A worker that xdist starts loads Python, pytest and the suite once more, in 0.4 s of processor time:
a third worker cost more than it saved. `kraty-conformance run` loads this plugin on Linux, where
copying a process is safe as long as it has one thread. Where it has more, and for a worker that
takes the place of one that died, xdist starts workers as it always does.
"""

import gc
import os
import signal
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import execnet
import pytest
from execnet.gateway_base import ExecModel, Popen2IO, get_execmodel, init_popen_io, serve

WORKERS_EXECUTION = "main_thread_only"
"""Tests run in a worker's main thread, as with xdist."""
STOPPING = (signal.SIGINT, signal.SIGTERM)
"""The signals that the controller has a handler for."""


class Fork(Popen2IO):
    """A copy of this process that serves xdist as a worker, and the two pipes to it.

    `older` are copies made before: the new one lets go of their pipes, so that each of them learns
    of the controller's end.
    """

    def __init__(self, id: str, execmodel: ExecModel, older: Iterable["Fork"]) -> None:
        inbox, to_worker = os.pipe()
        from_worker, outbox = os.pipe()
        # A signal in between would be the controller's, in a process that is none.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                _become_worker(id, (inbox, outbox), before, (to_worker, from_worker), older)
            os.close(inbox)
            os.close(outbox)
            ends = os.fdopen(to_worker, "wb"), os.fdopen(from_worker, "rb")
            super().__init__(*ends, execmodel)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait(self) -> int | None:
        """Wait for its end; None if that was noticed before."""
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            return None

    def kill(self) -> None:
        """End it, if it has not ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def _become_worker(
    id: str,
    pipes: tuple[int, int],
    mask: Iterable[int],
    controllers: Iterable[int],
    older: Iterable[Fork],
) -> NoReturn:
    """Work, and end: the controller's stack, and what it does at its end, are not the worker's."""
    try:
        for pipe in controllers:
            os.close(pipe)
        for fork in older:
            fork.close_write()
            fork.close_read()
        _take_signals(mask)
        _work(id, *pipes)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _take_signals(mask: Iterable[int]) -> None:
    """Take signals as a new process does: as Python itself, or not at all where that was asked."""
    for number in STOPPING:
        if callable(signal.getsignal(number)):
            usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, usual)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _work(id: str, inbox: int, outbox: int) -> None:
    """Serve as a worker, whose pipes are its standard input and output, until there is no more."""
    os.dup2(inbox, 0)
    os.dup2(outbox, 1)
    os.close(inbox)
    os.close(outbox)
    served = init_popen_io(get_execmodel(WORKERS_EXECUTION))
    serve(served, id=f"{id}-worker")  # type: ignore[arg-type]  # as execnet itself calls it


class ForkedGroup(execnet.Group):
    """The workers of a run: those that were forked at its beginning, and any that xdist starts."""

    def __init__(self, specs: Iterable[execnet.XSpec]) -> None:
        super().__init__(execmodel=WORKERS_EXECUTION)
        self._waiting: dict[str, Fork] = {}
        for spec in specs:
            spec.id = None
            self.allocate_id(spec)
            assert spec.id is not None
            self._waiting[spec.id] = Fork(spec.id, self.execmodel, self._waiting.values())

    def makegateway(self, spec: execnet.XSpec | str | None = None) -> execnet.Gateway:
        """Take the worker that waits for this specification, or start one."""
        if not isinstance(spec, execnet.XSpec) or spec.id not in self._waiting:
            return super().makegateway(spec)
        gateway = execnet.Gateway(self._waiting.pop(spec.id), spec)
        gateway.spec = spec
        self._register(gateway)
        return gateway


def is_alone() -> bool:
    """Whether this process has one thread, those of compiled libraries counted."""
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


def is_plain(spec: execnet.XSpec) -> bool:
    """Whether the specification asks for a worker like the controller, as `-n` does."""
    asked = (spec.chdir, spec.python, spec.env, spec.nice, spec.via, spec.dont_write_bytecode)
    return bool(spec.popen) and not any(asked)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[execnet.XSpec]) -> None:
    """Fork the workers before anything is started that a copy would not have."""
    manager: Any = config.pluginmanager.get_plugin("dsession").nodemanager  # type: ignore[union-attr]
    if not is_alone() or len(manager.group) or not all(map(is_plain, specs)):
        return
    gc.freeze()  # the copies share what is loaded until somebody writes to it
    with suppress(OSError):  # fork failed: xdist starts the workers itself
        manager.group = ForkedGroup(specs)
