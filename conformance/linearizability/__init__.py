"""Concurrent histories: what simultaneous clients saw, and whether some order explains it.

`search` decides whether a history is linearizable, `models` say what the contract promises for a
holding, a merge and a grant, `workload` runs clients side by side and writes their history.
"""
