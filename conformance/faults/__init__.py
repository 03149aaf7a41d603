"""Servers that deviate from the reference server in one way each.

A *variant* answers a point that the contract leaves free the other way and must never be accused.
A *fault* breaks requirements and must be caught. Both are overrides of one part of the server,
which itself knows nothing of them.
"""
