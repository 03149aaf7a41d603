"""`python -m conformance` is `kraty-conformance`."""

from conformance.cli import main

main(prog_name="kraty-conformance")
