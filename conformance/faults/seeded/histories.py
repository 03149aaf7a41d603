"""Faults that only a history of mixed simultaneous calls shows."""
