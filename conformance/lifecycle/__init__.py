"""Before and after the tests: starting servers, preflight, clean-up."""
