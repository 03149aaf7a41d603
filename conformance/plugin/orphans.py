"""A worker ends with the process that started it, even if that was killed in the middle of a test.

xdist ends a worker too, but only once its test has ended, which may wait for a server that is gone.
"""

import os
import threading
import time

EXIT_ORPHANED = 3
POLL_SECONDS = 0.2
"""POSIX tells a process of its parent's end by another parent id, and by no event."""


def end_with_parent() -> None:
    """End this process soon after its parent has ended."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(EXIT_ORPHANED)
