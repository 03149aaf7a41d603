"""Keeps Python's garbage collector from what stays until the end anyway."""

import gc

MANY_OBJECTS = 10_000
"""After so many new objects Python looks for garbage; its own number is 700."""


def spare_the_loaded() -> None:
    """Let the collector look at what a test leaves, not at all that was loaded.

    Modules and collected tests stay until the end. Looking through them again and again took a
    tenth of a run.
    """
    gc.freeze()
    gc.set_threshold(MANY_OBJECTS)


def freeze_gc() -> None:
    """The process is about to end: pytest looks for garbage five times more, for half a second."""
    gc.freeze()
