"""Concurrent histories: what simultaneous clients saw, and whether some order explains it.

`calls` makes the calls of a client, `workload` runs clients concurrently and records their history,
`checker` decides whether it is linearizable by the rules of `models`, and `diagnosis` names the
requirement that it breaks.
"""
