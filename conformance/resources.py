"""Where the files that travel with the package are: in the checkout, or inside the wheel."""

from pathlib import Path

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent
BUNDLED = PACKAGE / "_bundled"


def resource(name: str) -> Path:
    """The path of `openapi.server.json`, `scenarios` or `fixtures`.

    FileNotFoundError where the installation lacks it.
    """
    for root in (BUNDLED, CHECKOUT):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{name} is missing from this installation")


def scenarios() -> Path:
    """The folder of the scenario modules."""
    return resource("scenarios")


def spec_file() -> Path:
    """The OpenAPI description of the API."""
    return resource("openapi.server.json")


def world_file() -> Path:
    """The world of the bundled reference server."""
    return resource("fixtures") / "world.toml"
