"""Makes plain `pytest` in this checkout the suite; see `conformance.plugin`."""

pytest_plugins = ["conformance.plugin"]
