"""The sixteen problems, in two halves: a rule is chosen on one and reported on the other.

Two more are twins of flattened ones, to compare them with.
"""

from bench.quality import conditional, functions, learning, mixed, two_objectives
from bench.quality.problem import Problem

CHOSEN_ON = (
    functions.BRANIN,
    functions.ACKLEY,
    functions.NOISY_HARTMANN,
    mixed.KERNEL,
    mixed.BRANCHES,
    mixed.PIPELINE,
    learning.FRIEDMAN,
    two_objectives.ZDT1,
)
REPORTED_ON = (
    functions.HARTMANN,
    functions.ROSENBROCK,
    functions.SPARSE,
    functions.NOISY_LEVY,
    mixed.NOISY_NETWORK,
    mixed.STAGES,
    learning.DIABETES,
    two_objectives.COST,
)
CONDITIONAL = (conditional.BRANCHES, conditional.STAGES)
TWINS = tuple(zip(CONDITIONAL, (mixed.BRANCHES, mixed.STAGES), strict=True))
PROBLEMS: dict[str, Problem] = {
    each.name: each for each in (*CHOSEN_ON, *REPORTED_ON, *CONDITIONAL)
}
