"""Functions called in processes of their own, several at a time, and interrupted together.

An executor would do but for that: where it is broken off, its workers print tracebacks or hang.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

A = TypeVar("A")
T = TypeVar("T")

PRELOADED = ["conformance.plugin", "conformance.fuzzing.state_machine", "conformance.faults.trial"]


def apart(function: Callable[..., T], *arguments: object) -> T:
    """What the function returns in a process of its own.

    RuntimeError where it raises something, or the process ends without an answer.
    """
    answer: T = _answer(*_started(function, arguments))
    return answer


def each_apart(
    function: Callable[[A], T], arguments: Sequence[A], workers: int
) -> Generator[tuple[A, T]]:
    """Each argument with what the function returns for it, as they come.

    Who breaks off breaks off the function too, with a KeyboardInterrupt, and waits for its end.
    """
    running: set[BaseProcess] = set()
    over = threading.Event()

    def call(argument: A) -> T:
        if over.is_set():
            raise RuntimeError("broken off")
        process, answers = _started(function, (argument,))
        running.add(process)
        try:
            answer: T = _answer(process, answers)
        finally:
            running.discard(process)
        return answer

    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(call, argument): argument for argument in arguments}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                _interrupt(process)


def _started(
    function: Callable[..., object], arguments: tuple[object, ...]
) -> tuple[BaseProcess, Connection]:
    """A process that calls the function, and where its answer will come."""
    answers, told = _context().Pipe(duplex=False)
    process = _context().Process(target=_tell, args=(told, function, arguments))
    process.start()
    told.close()
    return process, answers


def _tell(told: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """In the process: what the function returns, or an error that says what it raised."""
    try:
        told.send(function(*arguments))
    except KeyboardInterrupt:
        pass  # nobody waits for an answer
    except Exception as error:
        told.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _answer(process: BaseProcess, answers: Connection) -> Any:
    with answers:
        try:
            answer = answers.recv()
        except EOFError:
            process.join()
            raise RuntimeError(f"a process ended with {process.exitcode}") from None
    process.join()
    if isinstance(answer, RuntimeError):
        raise answer
    return answer


def _interrupt(process: BaseProcess) -> None:
    with suppress(ProcessLookupError):
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGINT)


@cache
def _context() -> Any:
    """Processes that start with the suite's imports done, where the system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(PRELOADED)
    return forkserver
