"""What the service must know of a kind of sampler, beside the options that the wire offers."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler

from optuna_bridge.options import Kind

Options = Mapping[str, Any]


def reseed(sampler: BaseSampler, seed: int, number: int) -> None:
    """Make the next draw depend on the study's seed and the trial's number alone.

    The generators are seeded in place, since NSGA-II's crossover shares its sampler's. The state
    has four words, since one of 32 bits collided within 100,000 numbers.
    """
    state = np.random.SeedSequence((seed, number)).generate_state(4)
    owners: list[Any] = [
        sampler,
        getattr(sampler, "_random_sampler", None),
        getattr(sampler, "_independent_sampler", None),
    ]
    for owner in owners:
        if hasattr(owner, "_rng"):
            owner._rng.rng.seed(state)


@dataclass(frozen=True)
class SamplerKind(Kind):
    """A kind of sampler: how Optuna's sampler is built, its options, and what it needs.

    `build` takes all options and the search space's distributions by name. The defaults of the
    traits suit any sampler of Optuna that is written against its public interface.

    Attributes:
        needs_number: A trial's number decides its point: a draw must wait until the number is
            reserved, and so happens inside the transaction. It must take microseconds.
        reads_columns: It reads a `ColumnStorage` instead of looping over trials.
        reads_steps: It learns from intermediate values.
        annotates_trials: It learns only from trials on which it set attributes when they were
            drawn.
        is_slow: A draw takes longer than to return a database connection and to take one again.
        max_redraws: How often to draw again where a study avoids duplicates and the point was
            visited, before another point is chosen at random.
        at_random: A block within which it draws at random, for those draws.
        reseed: Makes the next draw depend on a seed and the trial's number alone.
        shares_seed: Whether, with these options, all processes must draw by one seed even where
            the study's owner gave none.
        budget: The fewest and the most trials that it is recommended for.
        slow_beyond: The number of completed trials from which on a draw takes seconds.
        max_running: How many trials may run at a time before the sampler knows too little, by
            its options and the number of trials that it can learn from; None: any number.
    """

    needs_number: bool = False
    reads_columns: bool = False
    reads_steps: bool = False
    annotates_trials: bool = False
    is_slow: bool = True
    max_redraws: int = 5
    at_random: Callable[[Any], AbstractContextManager[Any]] = nullcontext
    reseed: Callable[[Any, int, int], None] = reseed
    shares_seed: Callable[[Options], bool] = lambda options: False
    budget: tuple[int, int] | None = None
    slow_beyond: int | None = None
    max_running: Callable[[Options, int], int | None] = lambda options, n_known: None
