"""The request to begin a study with the best trials of earlier ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from access.actors import Actor
from studies.enums import WarmStartMode
from studies.models import Study


@dataclass(frozen=True)
class WarmStart:
    """Which trials a new study begins with.

    Attributes:
        studies: Names of studies, or patterns such as `search-*`.
        top: How many trials at most.
        mode: Whether they are evaluated again, or their results count.
    """

    studies: Sequence[str]
    top: int
    mode: WarmStartMode


# Called with the actor, the new study and the request, in the transaction that stores the study.
# The app of trials, which depends on this one, adds its function.
HOOKS: list[Callable[[Actor, Study, WarmStart], None]] = []


def add_warm_start(actor: Actor, study: Study, request: WarmStart) -> None:
    """Add the trials to a new study, within the transaction that stores it."""
    for hook in HOOKS:
        hook(actor, study, request)
