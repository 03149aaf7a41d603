"""AUTH: identifies the caller."""

import hmac

from starlette.datastructures import Headers

from .errors import ApiError
from .world import Game, Key, World

PERMISSION_SET = "server_integration"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="kraty"'}


class Auth:
    """Checks the credentials before the rest of the request (AUTH-5)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tokens = [(token.encode(), owner) for token, owner in world.tokens.items()]

    def identify(self, headers: Headers) -> tuple[Game, Key]:
        """The game and key of the caller; ApiError 401 (AUTH-1, AUTH-2)."""
        authorization = headers.get("authorization")
        if authorization is None:
            raise ApiError(401, "unauthenticated", "No API key was sent", headers=CHALLENGE)
        scheme, _, token = authorization.partition(" ")
        found = self.find(token.strip()) if scheme.lower() == "bearer" else None
        if found is None or found[1].revoked:
            raise ApiError(401, "session_invalid", "The API key is not valid", headers=CHALLENGE)
        return found

    def find(self, token: str) -> tuple[Game, Key] | None:
        """The owner of a token, compared in constant time."""
        sent = token.encode()
        for known, owner in self.tokens:
            if hmac.compare_digest(known, sent):
                return owner
        return None

    def check_permission(self, key: Key) -> None:
        """Only `server_integration` keys may call (AUTH-3)."""
        if key.permission_set != PERMISSION_SET:
            raise ApiError(403, "forbidden", f"The key's permission set is not {PERMISSION_SET}")
