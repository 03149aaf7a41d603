"""The bundled reference server: an in-memory Kraty Server API.

It imports nothing from the rest of the package, so that the suite and the server are two
independent readings of the contract. `app.create_app` builds it; every family of the contract
is a class in a module of its own that `app.Parts` puts together.
"""
