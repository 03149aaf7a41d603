"""Servers that deviate from the reference server in one way each.

A *variant* answers a point that the contract leaves free differently; the suite must not report it.
A *fault* breaks requirements; the suite must catch it. The reference server knows of neither.
"""
