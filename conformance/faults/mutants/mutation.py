"""All mutants of the reference server, by mutmut's operators.

Only its table of operators is used: `mutmut run` puts all mutants into one module and switches
between them in one process, while a server has to be started anew for each. What cannot be a
server's fault is left as it is: types, documentation, log lines and sentences for people.
"""

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, cast

import libcst
from libcst import matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

from conformance import resources
from conformance.reference.operations import OPERATIONS

REFERENCE = resources.PACKAGE / "reference"
COMMAND_LINE = "__main__.py"
"""Its options and its start are not part of the API."""
SENTENCE = re.compile(r"[A-Za-z][\w',.-]*(?: [\w',.-]+)+")
"""Words with spaces between: the text of a message, which the contract leaves free."""
DOCUMENTATION = m.Expr(value=m.SimpleString() | m.ConcatenatedString())
TYPING = ("TypeVar", "cast")
CRASHING = ("isinstance", "len")
"""Without their arguments nothing but a crash comes of them; `mutmut run` leaves them out too."""
REFUSALS = ("invalid", "not_found", "unknown_key")
"""What they are called with becomes a message and the details of an error, both FREE."""
UNTRIED = (
    DOCUMENTATION
    | m.Decorator()
    | m.Call(func=m.Attribute(value=m.Name("log") | m.Name("logging")))
    | m.Call(func=m.OneOf(*map(m.Name, (*TYPING, *CRASHING, *REFUSALS))))
)
NAMES = frozenset(operation.id for operation in OPERATIONS)
"""Seeded faults find operations by these; no answer shows them."""
CHECKED_TYPES = m.Call() | m.Subscript(value=m.Name("Literal"))
"""The parts of an annotation that msgspec checks: `Meta(min_length=1)`, `Literal["reward"]`."""
Operator = Callable[[libcst.CSTNode], Iterable[libcst.CSTNode]]
OPERATORS = cast("list[tuple[type[libcst.CSTNode], Operator]]", mutation_operators)
"""mutmut's: the nodes that an operator takes, and the operator."""


@dataclass(frozen=True)
class Mutant:
    """One change of one module of the reference server.

    `key` stays the same while the code around it changes: it is made of the module, the function
    and the code before and after. `line` is where the change begins, from 1.
    """

    key: str
    module: str
    scope: str
    line: int
    tree: libcst.Module = field(repr=False, compare=False)
    original: libcst.CSTNode = field(repr=False, compare=False)
    mutated: libcst.CSTNode = field(repr=False, compare=False)

    @cached_property
    def text(self) -> str:
        """The mutated module."""
        changed = self.tree.deep_replace(self.original, self.mutated)
        assert isinstance(changed, libcst.Module)
        return changed.code

    @property
    def diff(self) -> list[str]:
        """The removed and the added lines."""
        before, after = self.tree.code.splitlines(), self.text.splitlines()
        lines = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
        return [line for line in lines if not line.startswith("@@")]

    @property
    def compiles(self) -> bool:
        """Whether the change leaves Python code, and changes it at all."""
        try:
            compile(self.text, self.module, "exec")
        except SyntaxError:
            return False
        return self.text != self.tree.code


@cache
def all_mutants() -> tuple[Mutant, ...]:
    """Every mutant of the reference server."""
    modules = [path for path in sorted(REFERENCE.glob("*.py")) if path.name != COMMAND_LINE]
    return tuple(
        mutant
        for path in modules
        for mutant in mutants_of(path.name, path.read_text(encoding="utf-8"))
    )


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Every mutant of one module, in the order of its lines."""
    wrapper = MetadataWrapper(libcst.parse_module(source))
    visitor = _Visitor(module, wrapper.module, wrapper.resolve(PositionProvider))
    wrapper.module.visit(visitor)
    return visitor.found


class _Visitor(libcst.CSTVisitor):
    """Applies every operator to every node, but for what cannot be a server's fault."""

    def __init__(
        self, module: str, tree: libcst.Module, positions: Mapping[libcst.CSTNode, Any]
    ) -> None:
        super().__init__()
        self.found: list[Mutant] = []
        self._module = module
        self._tree = tree
        self._positions = positions
        self._scope: list[str] = []
        self._line = 1
        self._alike: Counter[tuple[str, ...]] = Counter()

    def on_visit(self, node: libcst.CSTNode) -> bool:
        """Mutate the node, and go on to its children."""
        if isinstance(node, libcst.ClassDef | libcst.FunctionDef):
            self._scope.append(node.name.value)
        if node in self._positions:  # operators have none: they are where their operands are
            self._line = self._positions[node].start.line
        if isinstance(node, libcst.Annotation):
            for shape in m.findall(node, CHECKED_TYPES):
                shape.visit(self)
            return False
        if m.matches(node, UNTRIED) or is_for_people(node):
            return False
        for type, operator in OPERATORS:
            if isinstance(node, type):
                for mutated in operator(node):
                    self._add(node, mutated)
        return True

    def on_leave(self, original_node: libcst.CSTNode) -> None:
        """Leave the scope of a class or a function."""
        if isinstance(original_node, libcst.ClassDef | libcst.FunctionDef):
            self._scope.pop()

    def _add(self, original: libcst.CSTNode, mutated: libcst.CSTNode) -> None:
        code = self._tree.code_for_node
        scope = ".".join(self._scope)
        change = (scope, code(original), code(mutated))
        self._alike[change] += 1
        identity = "\n".join([self._module, *change, str(self._alike[change])])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
        key = f"{self._module}:{digest}"
        self.found.append(
            Mutant(key, self._module, scope, self._line, self._tree, original, mutated)
        )


def is_for_people(node: libcst.CSTNode) -> bool:
    """Whether a node is a sentence, or a name that no client sees."""
    if not isinstance(node, libcst.SimpleString):
        return False
    text = node.evaluated_value
    return isinstance(text, str) and (text in NAMES or SENTENCE.fullmatch(text) is not None)


def sample(mutants: Iterable[Mutant], size: int, seed: int) -> list[Mutant]:
    """A random sample, the same for the same seed.

    Each mutant has a place in the order of a seed, whichever others there are: a larger sample
    holds the smaller one, and a change of the server leaves most of it as it was.
    """

    def place(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed}:{mutant.key}".encode()).digest()

    chosen: list[Mutant] = []
    for mutant in sorted(mutants, key=place):
        if len(chosen) == size:
            break
        if mutant.compiles:
            chosen.append(mutant)
    return chosen
