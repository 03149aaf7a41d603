"""What a run leaves on disk. Knows results; knows no scenarios."""

from conformance.report.directory import RunDirectory

__all__ = ["RunDirectory"]
