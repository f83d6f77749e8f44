"""Twins of flattened problems, in which trials have only the parameters that count.

Peers see them flattened, as the problems that they are twins of.
"""

from dataclasses import replace
from typing import Any

from bench.quality import mixed
from bench.quality.problem import Problem


def _with_conditions(problem: Problem, name: str, whens: dict[str, Any]) -> Problem:
    """Return a problem whose parameters of these prefixes have conditions."""
    space = []
    for parameter in problem.space:
        prefix = parameter["name"].split("_")[0]
        is_part = prefix != parameter["name"] and prefix in whens
        space.append({**parameter, "when": whens[prefix]} if is_part else parameter)
    return replace(problem, name=name, space=space)


BRANCHES = _with_conditions(
    mixed.BRANCHES,
    "optimizers, conditional",
    {kind: {"optimizer": [kind]} for kind in ("sgd", "adam", "lbfgs")},
)
STAGES = _with_conditions(
    mixed.STAGES,
    "stages, conditional",
    {
        "expand": {"expand": [True]},
        "sparse": {"retriever": ["sparse"]},
        "dense": {"retriever": ["dense"]},
        "rerank": {"rerank": [True]},
    },
)
