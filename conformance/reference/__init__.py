"""The bundled reference server: an in-memory Kraty Server API.

It imports nothing from the rest of the package, so that the suite and the server are two
independent readings of the contract. `app.create_app` builds it; each family of the contract is a
class in its own module, and `services.Services` puts them together.
"""
