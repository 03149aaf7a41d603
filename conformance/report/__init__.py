"""What a run leaves on disk. Knows results; knows no scenarios.

`forms` is to be imported where the forms are made: its libraries are not needed before that.
"""

from conformance.report.directory import RunDirectory, write_results
from conformance.report.reading import read_results

__all__ = ["RunDirectory", "read_results", "write_results"]
