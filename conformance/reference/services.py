"""Puts the families together. A fault or a variant replaces one part."""

from dataclasses import dataclass

from .auth import Auth
from .budget import Budget
from .erasure import Gdpr
from .grants import Grants
from .imports import Imports
from .ledger import Inventory, Wallet
from .lobbies import Lobbies
from .merging import Merging
from .players import Players
from .state import GameState


@dataclass(frozen=True)
class Parts:
    """The class of each part of the server."""

    state: type[GameState] = GameState
    auth: type[Auth] = Auth
    budget: type[Budget] = Budget
    grants: type[Grants] = Grants
    lobbies: type[Lobbies] = Lobbies
    players: type[Players] = Players
    merging: type[Merging] = Merging
    inventory: type[Inventory] = Inventory
    wallet: type[Wallet] = Wallet
    imports: type[Imports] = Imports
    gdpr: type[Gdpr] = Gdpr


class Services:
    """The families of one game, over one state."""

    def __init__(self, parts: Parts, state: GameState) -> None:
        self.state = state
        self.grants = parts.grants(state)
        self.lobbies = parts.lobbies(state)
        self.players = parts.players(state)
        self.merging = parts.merging(state)
        self.inventory = parts.inventory(state)
        self.wallet = parts.wallet(state)
        self.imports = parts.imports(state, self.inventory, self.wallet)
        self.gdpr = parts.gdpr(state, self.inventory, self.wallet)
