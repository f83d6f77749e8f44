"""Drafts: trials that are drawn but not committed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna_bridge.drafts import DraftTrial


class Draft(DraftTrial):
    """A drawn trial, until its session has read it as committed, or it is given up.

    | Transition     | made by                          | means                                    |
    |----------------|----------------------------------|------------------------------------------|
    | (constructor)  | `SamplerSession`                 | drawn; the process's other asks see it   |
    | `reserve`      | the ask, in its transaction      | it is being stored under this number     |
    | `close`        | `Plan`, after the transaction    | it is committed, or never will be        |
    | `supersede`    | `TrialCache.sync`                | the cache has read it, or never will     |
    | dropped        | the session, at its next draw    | the session no longer holds it           |

    No transition is ever reversed. So they need no lock, and two threads may make them in any
    order: the cache may read a committed trial before its plan is closed.
    """

    def __init__(self, number: int, fixed_params: Mapping[str, Any] | None = None) -> None:
        super().__init__(number, fixed_params)
        self._is_exact = False
        self._is_duplicate = False
        self._reserved_number: int | None = None
        self._is_closed = False
        self._is_superseded = False

    @property
    def is_exact(self) -> bool:
        """Whether all its parameters were fixed: exactly its point is requested, visited or not."""
        return self._is_exact

    @property
    def is_duplicate(self) -> bool:
        """Whether its point had been visited, and no unvisited one was found."""
        return self._is_duplicate

    @property
    def reserved_number(self) -> int | None:
        """The number under which it is stored; None until that is known."""
        return self._reserved_number

    @property
    def is_closed(self) -> bool:
        """Whether its ask has ended: it is committed, or never will be."""
        return self._is_closed

    @property
    def is_superseded(self) -> bool:
        """Whether the cache has read its trial, or never will."""
        return self._is_superseded

    @property
    def is_visible(self) -> bool:
        """Whether Optuna sees it as RUNNING, in addition to the committed trials."""
        return not self._is_superseded

    def mark_exact(self) -> None:
        self._is_exact = True

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
    """The attributes that a sampler sets on a trial when it draws it, and on the study."""

    system_attrs: Mapping[str, Any] = field(default_factory=dict)
    study_attrs: Mapping[str, Any] = field(default_factory=dict)


class PlanInvalidated(Exception):
    """The plan does not fit what was found under the lock: roll back, and draw a new plan."""
