"""The parser of constraints: Python's own for the grammar, and a list of what is allowed in it.

A text is never evaluated as Python. Only operators, `and` and parentheses reach Python's parser:
names and numbers are replaced by placeholders before.
"""

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from optuna_bridge.space.conditions import Condition
from optuna_bridge.space.parameter_constraints.tokens import InvalidConstraint, Token, tokens_of

MAX_CHARACTERS = 1000

_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
NEGATE = "negate"

# In reverse Polish notation: a parameter's name in a tuple, a constant, or an operator.
Operation = tuple[str] | float | str


@dataclass(frozen=True)
class Comparison:
    """A comparison of two arithmetic expressions."""

    left: Sequence[Operation]
    operator: str
    right: Sequence[Operation]

    @property
    def names(self) -> list[str]:
        """The names of its parameters, in their order, each once."""
        operations = [*self.left, *self.right]
        return list(dict.fromkeys(each[0] for each in operations if isinstance(each, tuple)))


@dataclass(frozen=True)
class ParsedConstraint:
    """Comparisons that have to hold together, where all of their parameters are active.

    Attributes:
        text: The text.
        canonical: The text in one notation.
        comparisons: The comparisons.
        conditions: Those of its parameters, and of the parameters on which these depend.
    """

    text: str
    canonical: str
    comparisons: Sequence[Comparison]
    conditions: Sequence[Condition] = ()

    @property
    def names(self) -> list[str]:
        """The names of its parameters, in their order, each once."""
        return list(dict.fromkeys(name for each in self.comparisons for name in each.names))

    @property
    def all_names(self) -> list[str]:
        """The names of its parameters, and of those on which these depend."""
        return list(dict.fromkeys([*self.names, *(each.parent for each in self.conditions)]))

    @property
    def n_operations(self) -> int:
        """The number of operations and operands, and of conditions."""
        return len(self.conditions) + sum(
            len(each.left) + len(each.right) + 1 for each in self.comparisons
        )


def parse(text: str, names: Collection[str]) -> ParsedConstraint:
    """Parse a constraint between parameters with these names.

    Raises:
        InvalidConstraint: The text is no constraint, or contains no parameter.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidConstraint(f"it has {len(text)} characters, and at most {MAX_CHARACTERS}")
    tokens = list(tokens_of(text, names))
    operands = {f"v{i}": each for i, each in enumerate(tokens) if _is_operand(each)}
    source = " ".join(f"v{i}" if _is_operand(each) else each.text for i, each in enumerate(tokens))
    comparisons = list(_comparisons(_tree(source), operands))
    parsed = ParsedConstraint(text, " ".join(each.text for each in tokens), comparisons)
    if not parsed.names:
        raise InvalidConstraint("it contains no parameter")
    return parsed


def canonical(text: str, names: Collection[str]) -> str:
    """Return a constraint in one notation, for comparisons; the text itself if it is invalid."""
    try:
        return " ".join(each.text for each in tokens_of(text, names))
    except InvalidConstraint:
        return text


def _is_operand(token: Token) -> bool:
    return token.name is not None or token.number is not None


def _tree(source: str) -> ast.expr:
    try:
        return ast.parse(source or "()", mode="eval").body
    # Python refuses an expression that is too deep by one of the others.
    except (SyntaxError, RecursionError, MemoryError):
        raise InvalidConstraint(
            "it cannot be read: expected comparisons such as x + 2 * y <= 1, joined by and"
        ) from None


def _comparisons(tree: ast.expr, operands: Mapping[str, Token]) -> Iterator[Comparison]:
    """Yield the comparisons from left to right; without recursion, since a text may be deep."""
    pending = [tree]
    while pending:
        match pending.pop():
            case ast.BoolOp(op=ast.And(), values=values):
                pending += reversed(values)
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [_operations(each, operands) for each in (left, *others)]
                for operator, first, second in zip(ops, sides, sides[1:], strict=False):
                    yield Comparison(first, _COMPARISONS[type(operator)], second)
            case _:
                raise InvalidConstraint("expected a comparison: one of < <= > >= == !=")


def _operations(tree: ast.expr, operands: Mapping[str, Token]) -> Sequence[Operation]:
    """Return the operations of an arithmetic expression, in reverse Polish notation."""
    found: list[Operation] = []  # from the last to the first
    pending = [tree]
    while pending:
        match pending.pop():
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                found.append(_ARITHMETIC[type(op)])
                pending += [left, right]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                found.append(NEGATE)
                pending.append(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                pending.append(operand)
            case ast.Name(id=key):
                name, number = operands[key].name, operands[key].number
                found.append((name,) if name is not None else number or 0.0)
            case ast.Call():
                raise InvalidConstraint("functions are not supported")
            case _:
                raise InvalidConstraint("a comparison is between numbers: expected + - * / in it")
    return found[::-1]
