"""A contract-test and conformance suite for the Kraty Server API."""

from conformance.failures import ShouldWarning

__version__ = "0.1.0"

__all__ = ["ShouldWarning", "__version__"]
