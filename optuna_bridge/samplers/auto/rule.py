"""The rule by which `auto` chooses a sampler for an ask.

It depends only on the study's definition, the number of the trial, and how many trials have ended
in which way, so that a reader can follow it, and a seeded study repeats itself. How it was chosen
is in docs/samplers.md.
"""

from dataclasses import dataclass
from enum import StrEnum

# So many trials are enough for a model to be of some use.
DESIGN_SIZE = 6
# TPE takes every fourth trial: it is better where parameters count only with some choices, and a
# second opinion elsewhere.
TPE_EVERY = 4
# From so many completed trials on the model of `gp` leaves most of them out, and takes long.
MAX_MODELLED = 300


class Choice(StrEnum):
    """What draws a trial: the samplers of these names, or the first points of every study."""

    DESIGN = "design"
    GP = "gp"
    TPE = "tpe"


@dataclass(frozen=True)
class Facts:
    """What the rule depends on.

    Attributes:
        number: The number of the trial.
        n_completed: The trials that have values.
        n_pruned: The trials that were pruned.
        can_model: Whether `gp` is installed, and takes a study of this size.
    """

    number: int
    n_completed: int
    n_pruned: int
    can_model: bool


def choose(facts: Facts) -> Choice:
    """Return what draws the trial: the first of these lines that holds.

    1. `design`, until DESIGN_SIZE trials are completed or pruned;
    2. `tpe`, where `gp` cannot draw for the study;
    3. `tpe`, where more trials were pruned than completed: `gp` learns nothing from a pruned one;
    4. `tpe`, from MAX_MODELLED completed trials on;
    5. `tpe` for every TPE_EVERY-th trial, else `gp`.
    """
    if facts.n_completed + facts.n_pruned < DESIGN_SIZE:
        return Choice.DESIGN
    if not facts.can_model or facts.n_pruned > facts.n_completed:
        return Choice.TPE
    if facts.n_completed >= MAX_MODELLED or facts.number % TPE_EVERY == TPE_EVERY - 1:
        return Choice.TPE
    return Choice.GP
