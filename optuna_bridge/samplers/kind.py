"""The traits of a kind of sampler that the service needs, besides the options in the API."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler

from optuna_bridge.options import Kind
from optuna_bridge.space.conditional_points import all_points
from optuna_bridge.space.parameter_constraints.constraints import ParameterConstraints
from optuna_bridge.space.points import Points
from optuna_bridge.space.search_space import SearchSpace

Options = Mapping[str, Any]


@dataclass(frozen=True)
class StudyTraits:
    """What a sampler may be unsuited for: a study's search space and size, and all its options."""

    space: SearchSpace
    n_objectives: int
    n_constraints: int
    options: Options

    @property
    def n_params(self) -> int:
        return len(self.space.parameters)


def reseed(sampler: BaseSampler, seed: int, number: int) -> None:
    """Make the next draw depend only on the study's seed and the trial's number.

    The generators are seeded in place, since NSGA-II's crossover shares its sampler's generator.
    The state has four words, since one word of 32 bits collided within 100,000 numbers.
    """
    state = np.random.SeedSequence((seed, number)).generate_state(4)
    owners: list[Any] = [
        sampler,
        getattr(sampler, "_random_sampler", None),
        getattr(sampler, "_independent_sampler", None),
    ]
    for owner in owners:
        for name in ("_rng", "_cma_rng"):
            if hasattr(owner, name):
                getattr(owner, name).rng.seed(state)


@dataclass(frozen=True)
class OptionalPart:
    """A part of the installation that may be missing.

    Attributes:
        module: The name by which it is imported.
        name: What people call it.
        command: What installs it.
    """

    module: str
    name: str
    command: str

    @property
    def is_installed(self) -> bool:
        return find_spec(self.module) is not None


@dataclass(frozen=True)
class SamplerKind(Kind):
    """A kind of sampler: how Optuna's sampler is built, its options, and its traits.

    `build` takes all options and the search space as samplers see it. The traits' defaults suit
    any sampler that uses only Optuna's public interface.

    Attributes:
        requires: The optional parts of the installation without which it cannot draw.
        fault_of_study: Returns why it cannot draw for a study, or not in the time and memory of an
            ask; None if it can.
        visits_each_point: Whether it suggests each of its `points` once. Its studies avoid
            duplicates, and the service chooses the points, since it knows which ones are left.
        points: Returns the points by which a study avoids duplicates, given its search space and
            all options.
        effective: Returns all options of a study with what an option of null stands for; only to
            compare them.
        needs_number: Whether a trial's number determines its point. If so, it draws inside the
            transaction, after the number is reserved, and a draw must take microseconds.
        reads_columns: Whether it reads a `ColumnStorage` instead of looping over trials.
        reads_steps: Whether it learns from intermediate values.
        annotates_trials: Whether it learns only from trials on which it set attributes when they
            were drawn.
        restarts_with_space: Whether it starts anew when the search space changes, since what it
            set on trials before are places in the space of then.
        is_slow: Whether a draw takes longer than returning a database connection to the pool and
            getting one again.
        max_redraws: How often to draw again if the study avoids duplicates and the point was
            visited, before an unvisited point is chosen at random.
        at_random: Returns a context manager within which it draws at random, for these redraws.
        restrict: Makes a new sampler prefer the points that satisfy constraints between parameters.
        is_modelled: Returns whether the last draw follows from trials, and not from chance or a
            sequence, given whether values were drawn jointly. Such a draw that violates constraints
            between parameters is moved to a feasible point nearby, any other one is replaced by a
            random feasible point.
        reseed: Makes the next draw depend only on a seed and the trial's number.
        depends_on_number: Returns, given the attributes that it set on a draft, whether the point
            is that of the draft's number. If so, it must take microseconds to draw another one.
        shares_seed: Returns whether, with these options, all processes must use the same seed even
            if the study's owner gave none.
        budget: The minimum and the maximum number of trials for which it is recommended.
        slow_beyond: The number of completed trials above which a draw takes seconds, or learns from
            a part of them only.
        max_running: Returns how many trials may run at a time before the sampler has too little
            to learn from, given its options and the number of trials that it can learn from;
            None if there is no limit.
    """

    requires: Sequence[OptionalPart] = ()
    fault_of_study: Callable[[StudyTraits], str | None] = lambda study: None
    visits_each_point: bool = False
    points: Callable[[SearchSpace, Options], Points] = lambda space, options: all_points(space)
    effective: Callable[[StudyTraits], Options] = lambda study: study.options
    needs_number: bool = False
    reads_columns: bool = False
    reads_steps: bool = False
    annotates_trials: bool = False
    restarts_with_space: bool = False
    is_slow: bool = True
    max_redraws: int = 5
    at_random: Callable[[Any], AbstractContextManager[Any]] = nullcontext
    restrict: Callable[[Any, ParameterConstraints], None] = lambda sampler, constraints: None
    is_modelled: Callable[[Any, bool], bool] = lambda sampler, is_joint: is_joint
    reseed: Callable[[Any, int, int], None] = reseed
    depends_on_number: Callable[[Mapping[str, Any]], bool] = lambda system_attrs: False
    shares_seed: Callable[[Options], bool] = lambda options: False
    budget: tuple[int, int] | None = None
    slow_beyond: int | None = None
    max_running: Callable[[Options, int], int | None] = lambda options, n_known: None

    @property
    def missing(self) -> str | None:
        """Which part that it requires is not installed, and what installs it; None if all are."""
        for part in self.requires:
            if not part.is_installed:
                return f"{part.name} is not installed; install it: {part.command}"
        return None
