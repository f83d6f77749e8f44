"""Validation of the groups of trials that repeat one point in a file."""

from collections.abc import Iterator, Mapping
from typing import Any

from optuna_bridge.enums import TrialState
from studies.models import Study
from tuner_project.errors import FieldError


class RepeatGroups:
    """Checks that the trials of each group have the parameters of its first one.

    Of each repeat, at most one trial has not failed: the others are attempts before or after it.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._points: dict[int, int] = {}  # from a group to the hash of its parameters
        self._present: dict[int, int] = {}  # from a group to the bits of its repeats

    def faults(self, attrs: Mapping[str, Any]) -> Iterator[FieldError]:
        """Yield the errors in the fields of repeats of the next trial in the file, else valid."""
        group, index = attrs.get("repeat_group"), attrs.get("repeat_index")
        if self._study.repeats is None:
            for key in ("repeat_group", "repeat_index"):
                if attrs.get(key) is not None:
                    yield FieldError((key,), "the study has no repeats")
            return
        if group is None and index is None:
            return  # a point of its own, as of a process that did not know repeats yet
        if group is None or index is None:
            key = "repeat_group" if group is None else "repeat_index"
            yield FieldError((key,), "a repeat has both, repeat_group and repeat_index")
            return
        # Of the text, since -1.0 and -2.0 have the same hash.
        point = hash(repr(self._study.space.to_internal(attrs["params"])))
        if group == attrs["number"]:
            self._points[group] = point
        elif group not in self._points:
            text = f"trial {group} is not the first one of a group before this trial"
            yield FieldError(("repeat_group",), text)
        elif self._points[group] != point:
            yield FieldError(("params",), f"they differ from those of trial {group}, its group")
        if index >= self._study.n_repeats:
            text = f"expected 0 to {self._study.n_repeats - 1}, not {index}"
            yield FieldError(("repeat_index",), text)
        elif attrs["state"] != TrialState.FAIL or attrs.get("infeasible"):
            before = self._present.get(group, 0)
            self._present[group] = before | 1 << index
            if self._present[group] == before:
                text = f"another trial is repeat {index} of group {group}, and has not failed"
                yield FieldError(("repeat_index",), text)
