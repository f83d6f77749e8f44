"""The trials of a study that its clone keeps."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from optuna_bridge.constraints import constraint_attrs
from optuna_bridge.enums import TrialState
from optuna_bridge.space.comparison import are_same_constraints, differing_parameters
from optuna_bridge.system_attrs import FIXED_PARAMS
from studies.models import Study
from transfer.file.attachments import annotation_of
from trials.models import Annotation, Trial, repeats
from trials.sampling.session_registry import session_registry

_FIELDS = (
    "state",
    "values",
    "datetime_start",
    "datetime_complete",
    "reason",
    "constraints",
    "violation",
    "worker_id",
    "user_attrs",
    "infeasible",
)
_QUEUED_FIELDS = ("user_attrs", "priority")
_LINKS = ("retry_of", "retried_as", "cancelled_retry")


class KeptTrials:
    """Copies of a study's trials for a clone, with new numbers.

    If the search space and the constraints between its parameters are the same, all trials are
    kept, with the links between attempts; one that runs is queued, since its result goes to the
    source. Else those are kept that teach a sampler something (COMPLETE, PRUNED, infeasible), lie
    in the new space, and have a value for each parameter that the old space lacks.

    Args:
        source: The study.
        clone: The new study.
        defaults: Values for the parameters that finished trials lack.
        exclude: The numbers of trials that are left out.
    """

    def __init__(
        self, source: Study, clone: Study, defaults: Mapping[str, Any], exclude: Collection[int]
    ) -> None:
        self._source = source
        self._clone = clone
        self._defaults = defaults
        self._excluded = sorted(set(exclude))
        differing = differing_parameters(source.search_space, clone.search_space)
        constraints = source.parameter_constraints, clone.parameter_constraints
        are_same = are_same_constraints(*constraints, source.space.distributions)
        self._is_same_space = not any(differing) and are_same
        self._open: set[int] = set()  # groups of repeats without a result yet
        self._groups: dict[int, int] = {}  # from a group of the source to the clone's

    def copies(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, int]]:
        """Yield a copy of each of the source's trials, by number, that is kept, and its bytes."""
        number = 0
        for trial in trials:
            if trial.is_leader and repeats.is_open(trial):
                self._open.add(trial.number)
            params = self._params(trial) if self._is_wanted(trial) else None
            if params is not None:
                yield self._copy(trial, number, params), trial.size
                number += 1

    def _is_wanted(self, trial: Trial) -> bool:
        has_result = _is_answer(trial) and trial.repeat_group not in self._open
        is_wanted = self._is_same_space or has_result
        return is_wanted and self._number(trial.number) is not None

    def _number(self, number: int | None) -> int | None:
        """Return the new number of a trial if all but the excluded ones are kept."""
        if number is None:
            return None
        position = bisect_left(self._excluded, number)
        is_excluded = position < len(self._excluded) and self._excluded[position] == number
        return None if is_excluded else number - position

    def _params(self, trial: Trial) -> dict[str, Any] | None:
        """Return a trial's parameters in the new space, or None if it does not fit."""
        space = self._clone.space
        kept = {name: each for name, each in trial.params.items() if name in space.distributions}
        if space.value_faults(kept):
            return None
        if TrialState(trial.state).is_finished:
            # A default counts only where it is active, a value of the trial's must be.
            filled = space.active_only({**self._defaults, **kept})
            defaults = {name: filled[name] for name in filled.keys() - kept.keys()}
            kept = {**kept, **defaults}
        kept = {name: kept[name] for name in space.distributions if name in kept}
        if self._is_same_space:
            return kept
        new_names = space.distributions.keys() - self._source.space.distributions.keys()
        lacks_new = not new_names.isdisjoint(space.missing(kept))
        return None if lacks_new or space.faults(kept) else kept

    def _copy(self, trial: Trial, number: int, params: Mapping[str, Any]) -> Trial:
        is_queued = not TrialState(trial.state).is_finished
        fields = {
            field: getattr(trial, field) for field in (_QUEUED_FIELDS if is_queued else _FIELDS)
        }
        if is_queued:
            fields |= {"state": TrialState.WAITING.value, "system_attrs": {FIXED_PARAMS: params}}
        else:
            fields["system_attrs"] = self._system_attrs(trial, params)
        if self._is_same_space:
            fields |= {"attempt": trial.attempt, "space_version": trial.space_version}
            fields |= {field: self._number(getattr(trial, field)) for field in _LINKS}
        if self._source.repeats is not None:  # its first trial may have been left out
            fields["repeat_group"] = self._groups.setdefault(trial.point_number, number)
            fields["repeat_index"] = trial.repeat_index or 0
        internal_params = self._clone.space.to_internal(params)
        copy = Trial(
            study=self._clone,
            number=number,
            internal_params=internal_params,
            params_hash=self._clone.point_hash(internal_params),
            **fields,
        )
        if (annotation := annotation_of(trial)) is not None:
            copy.annotation = Annotation(note=annotation.note, links=annotation.links)
        copy.steps = [] if is_queued else trial.steps
        copy.step_values = [] if is_queued else trial.step_values
        return copy

    def _system_attrs(self, trial: Trial, params: Mapping[str, Any]) -> dict[str, Any]:
        constraints = constraint_attrs(trial.constraints_by_name or {})
        # The first repeat of a point stands for all of them, even if it has failed itself.
        is_learnt = _is_answer(trial) or self._source.repeats is not None
        return {**self._annotations, **constraints} if is_learnt else constraints

    @cached_property
    def _annotations(self) -> Mapping[str, Any]:
        """The system attributes without which the sampler ignores a trial."""
        return session_registry.of(self._clone).annotations({}).system_attrs


def _is_answer(trial: Trial) -> bool:
    """Return whether samplers learn from a trial."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or trial.infeasible
