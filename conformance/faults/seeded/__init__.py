"""The seeded faults, a module for each family of the contract.

Every fault changes one small part of the reference server, as a mistake of a backend developer
could. Most are a class with one overridden method, or a function in one of the shapes of `kit`.
"""
