"""Trials that are drawn but not committed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna_bridge.sampler_storage import DraftTrial


class Draft(DraftTrial):
    """A trial from its drawing to the moment in which its session has read what became of it.

    | Transition     | made by                          | means                                    |
    |----------------|----------------------------------|------------------------------------------|
    | (constructor)  | `SamplerSession`                 | drawn; the process's other asks see it   |
    | `reserve`      | the ask, in its transaction      | it is being stored under this number     |
    | `close`        | `Plan`, after the transaction    | committed, or it never will be           |
    | `supersede`    | `TrialCache.sync`                | the cache has read what became of it     |
    | dropped        | the next draw, of the session    | the session has forgotten it             |

    Each transition sets what is never taken back. So they need no lock, in whichever order two
    threads make them: the cache may read a committed trial before its plan is closed.
    """

    def __init__(self, number: int, fixed_params: Mapping[str, Any] | None = None) -> None:
        super().__init__(number, fixed_params)
        self._is_fixed = fixed_params is not None
        self._is_duplicate = False
        self._reserved_number: int | None = None
        self._is_closed = False
        self._is_superseded = False

    @property
    def is_fixed(self) -> bool:
        """Whether some or all of its parameters were given."""
        return self._is_fixed

    @property
    def is_duplicate(self) -> bool:
        """Whether its point was visited, and no other one was found."""
        return self._is_duplicate

    @property
    def reserved_number(self) -> int | None:
        """The number that it is stored under; None until that is known."""
        return self._reserved_number

    @property
    def is_closed(self) -> bool:
        """Whether it is committed, or never will be."""
        return self._is_closed

    @property
    def is_superseded(self) -> bool:
        """Whether the cache has its trial, or never will."""
        return self._is_superseded

    @property
    def is_visible(self) -> bool:
        """Whether Optuna sees it, RUNNING, beside the committed trials."""
        return not self._is_superseded

    def mark_duplicate(self) -> None:
        self._is_duplicate = True

    def reserve(self, number: int) -> None:
        self._reserved_number = number

    def close(self) -> None:
        self._is_closed = True

    def supersede(self) -> None:
        self._is_superseded = True


@dataclass(frozen=True)
class Annotations:
    """What a sampler sets on a trial that it draws, and on the study with it."""

    system_attrs: Mapping[str, Any] = field(default_factory=dict)
    study_attrs: Mapping[str, Any] = field(default_factory=dict)


class PlanInvalidated(Exception):
    """What is found under the lock is not what was planned for: roll back, and plan again."""
