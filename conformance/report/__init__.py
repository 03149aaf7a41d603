"""What a run leaves on disk. Knows results; knows no scenarios."""

from conformance.report.directory import RunDirectory, write_forms, write_results
from conformance.report.reading import read_results

__all__ = ["RunDirectory", "read_results", "write_forms", "write_results"]
