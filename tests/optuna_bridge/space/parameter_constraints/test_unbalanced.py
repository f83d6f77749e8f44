"""Parentheses that do not match in constraints between parameters."""

import pytest

from optuna_bridge.space.parameter_constraints.parser import parse
from optuna_bridge.space.parameter_constraints.tokens import InvalidConstraint


@pytest.mark.parametrize("text", ["x < 1) and (x > 0", "x) + (x < 1", "(x < 1", "x < 1)"])
def test_parse_refuses_parentheses_that_do_not_match(text: str) -> None:
    with pytest.raises(InvalidConstraint, match="cannot be read"):
        parse(text, ["x"])
