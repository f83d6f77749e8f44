"""Drawing trials by a study's sampler, from the study's cached trials."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from optuna_bridge.pruners.registry import NO_PRUNER, build_pruner
from optuna_bridge.samplers.registry import SAMPLERS, build_sampler
from optuna_bridge.space.points import Point
from studies.models import Study
from trials.sampling.drafts import Draft
from trials.sampling.feasible_drawing import FeasibleDrawing
from trials.sampling.trial_cache import TrialCache
from tuner_project.observability.stopwatch import stopwatch


class DrawingSession(TrialCache):
    """A study's sampler and pruner on its cached trials.

    Samplers have state: only the thread that holds the session's lock may draw.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self._kind = SAMPLERS[study.sampler]
        self._seed: int | None = study.sampler_options.get("seed")
        sampler = build_sampler(study.sampler, study.sampler_options, self._space)
        constraints = study.current.space.parameter_constraints
        self._feasible: FeasibleDrawing | None = None
        if constraints is not None:
            self._kind.restrict(sampler, constraints)
            self._feasible = FeasibleDrawing(constraints, self._space, self._seed)
        self.pruner = build_pruner(study.pruner, study.pruner_options)
        # Optuna prunes single-objective studies only, and samplers split trials by Hyperband's
        # brackets only there.
        pruner = build_pruner(NO_PRUNER, {}) if study.is_multi_objective else self.pruner
        self.optuna_study = self.as_study(sampler, pruner)

    @property
    def is_seeded(self) -> bool:
        return self._seed is not None

    @property
    def needs_number(self) -> bool:
        """Whether the sampler can draw only after the trial's number is reserved."""
        return self._kind.needs_number

    def depends_on_number(self, draft: Draft) -> bool:
        """Return whether a draft's point may have no other number than the draft's."""
        return self.is_seeded or self._kind.depends_on_number(draft.system_attrs)

    def draw_next(self, fixed: Mapping[str, Any] | None = None) -> Draft | None:
        """Draw a trial for the next number; None if no unvisited point is left."""
        if self.n_left_at(fixed) == 0:
            return None
        numbers = [draft.number + self.study.n_repeats for draft in self._listed_drafts()]
        draft = self.draw(max([len(self._trials), *numbers]), fixed or None)
        if draft.is_duplicate and self.n_left is not None:
            self._drop(draft)
            return None
        return draft

    def draw(self, number: int, fixed: Mapping[str, Any] | None = None) -> Draft:
        """Draw a trial; if the study avoids duplicates, redraw while its point was visited."""
        if self._seed is not None:
            number_of_point = number // self.study.n_repeats
            self._kind.reseed(self.optuna_study.sampler, self._seed, number_of_point)
        fixed = self._as_sampled(fixed)
        is_point = self._is_point(fixed)
        if self.visited is not None and self._kind.visits_each_point and not is_point:
            return self._draw_unvisited(number, fixed)
        draft = self._draw_feasible(number, fixed)
        if self.visited is None:
            return draft
        if is_point:
            draft.mark_exact()
            return draft
        others = [each.params for each in self._listed_drafts() if each is not draft]
        points = {self.visited.point_of(params) for params in others} - {None}
        for _ in range(self._kind.max_redraws):
            if not self._is_visited(draft, points):
                return draft
            self._drop(draft)
            with self._kind.at_random(self.optuna_study.sampler):
                draft = self._draw_feasible(number, fixed)
        if not self._is_visited(draft, points):
            return draft
        left = self._unvisited(number, fixed, others)
        if left is None:
            draft.mark_duplicate()
            return draft
        self._drop(draft)
        return self._draw_once(number, left)

    def can_complete(self, params: Mapping[str, Any], fixed: Mapping[str, Any]) -> bool:
        """Return whether a queued trial's parameters and fixed values belong to a feasible point.

        An ask may fix other parameters than the trial has.
        """
        if self._feasible is None:
            return True
        return self._feasible.can_complete(self._as_sampled({**fixed, **params}) or {})

    def n_left_at(self, fixed: Mapping[str, Any] | None) -> int | None:
        """Return how many trials with the fixed values can be drawn; None if it is not limited.

        It is if the study avoids duplicates in a finite space. A point with all its parameters
        fixed is drawn even if it was visited.
        """
        if self.visited is None or not fixed:
            return self.n_left
        as_sampled = self._as_sampled(fixed)
        return None if self._is_point(as_sampled) else self.visited.n_left_at(as_sampled or {})

    def _is_point(self, fixed: Mapping[str, Any] | None) -> bool:
        """Return whether all active parameters are fixed, but for retired ones."""
        if fixed is None:
            return False
        return set(self._space.missing(fixed)) <= self.study.current.constants.keys()

    def _as_sampled(self, params: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return parameters of the study as its sampler sees them.

        Those of a queued trial that are outside of the current space are left out.
        """
        current = self.study.current
        if params is None:
            return None
        params = current.only_current(params)
        if self._space is current.space:
            return params
        return self._space.to_external(current.space.to_internal(params))

    def internal_params(
        self, draft: Draft, requested: Sequence[float | None] = ()
    ) -> list[float | None]:
        """Return the parameters of a draft as trials store them.

        `requested` are those of a queued trial, which has them even if they are outside of the
        current space.
        """
        current = self.study.current
        stored = list(current.to_stored(self._space.to_internal(draft.params)))
        if current.is_stored or not requested:
            return stored
        return [drawn if own is None else own for own, drawn in zip(requested, stored, strict=True)]

    def _is_visited(self, draft: Draft, others: Container[Point | None]) -> bool:
        if self.visited is None:
            return False
        point = self.visited.point_of(draft.params)
        return point in self.visited or point in others

    def _draw_unvisited(self, number: int, fixed: Mapping[str, Any] | None) -> Draft:
        """Draw a trial at an unvisited point, or any one that is marked as a duplicate."""
        left = self._unvisited(number, fixed, [each.params for each in self._listed_drafts()])
        draft = self._draw_feasible(number, fixed if left is None else left)
        if left is None:
            draft.mark_duplicate()
        return draft

    def _unvisited(
        self,
        number: int,
        fixed: Mapping[str, Any] | None,
        others: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any] | None:
        """Return the parameters of an unvisited point; None if there is none.

        `others` are the parameters of the other drafts, whose points count as visited.
        """
        if self.visited is None:
            return None
        seed = None if self._seed is None else (self._seed, number)
        return self.visited.pick_other(fixed or {}, others, seed)

    def _draw_feasible(self, number: int, fixed: Mapping[str, Any] | None = None) -> Draft:
        """Draw a trial that satisfies the constraints between parameters, if there are any.

        A draw by a model is repeated, a few times, and then moved to a feasible point nearby.
        """
        draft = self._draw_once(number, fixed)
        if self._feasible is None or self._is_point(fixed):
            return draft
        for _ in range(self._kind.max_redraws):
            if self._feasible.is_feasible(draft) or not self._is_modelled(draft):
                break
            self._drop(draft)
            draft = self._draw_once(number, fixed)
        if self._feasible.is_feasible(draft):
            return draft
        self._drop(draft)
        is_modelled = self._is_modelled(draft)
        params = self._feasible.params(draft, fixed or {}, is_modelled=is_modelled)
        return self._draw_once(number, params)

    def _is_modelled(self, draft: Draft) -> bool:
        return self._kind.is_modelled(self.optuna_study.sampler, draft.is_joint)

    def _draw_once(self, number: int, fixed: Mapping[str, Any] | None = None) -> Draft:
        """Draw a trial once, with some or all parameters fixed if given."""
        draft = Draft(number, fixed)
        with stopwatch("sampling"):
            self.draw_into(
                draft,
                self.optuna_study,
                self._space.distributions,
                conditions=self._space.conditions,
                annotates=self._kind.annotates_trials,
            )
        return draft
