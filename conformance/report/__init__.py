"""The files that a run leaves on disk.

Import `forms` only where files are made from results: its libraries load slowly.
"""

from conformance.report.directory import RunDirectory, write_results
from conformance.report.reading import read_results

__all__ = ["RunDirectory", "read_results", "write_results"]
