"""The seeded faults, a module for each family of the contract.

Every fault is a class that overrides one small part of the reference server, as a tired backend
developer could have written it.
"""
