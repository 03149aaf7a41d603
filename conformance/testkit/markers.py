"""The two marks of a scenario."""

import pytest

requirement = pytest.mark.requirement
"""The requirements that a scenario decides: `@requirement("MERGE-6")`."""

harmless = pytest.mark.harmless
"""The scenario changes nothing on a conformant server, so it also runs with a live key."""
