"""The samplers: a registry from name to Optuna's sampler, its options and its traits.

To add a sampler, add an entry. The choices in the API, the settings, the admin and OpenAPI, and
the service's special treatment of a sampler, follow from it.
"""

import warnings
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from optuna_bridge.options import SEED, Option
from optuna_bridge.samplers.auto.sampler import AutoSampler, depends_on_number
from optuna_bridge.samplers.gp.sampler import BoundedGPSampler, fault_of_size
from optuna_bridge.samplers.kind import OptionalPart, SamplerKind, reseed
from optuna_bridge.samplers.nsgaii import NSGAIISampler
from optuna_bridge.samplers.qmc import NumberedQMCSampler
from optuna_bridge.samplers.random_sampler import RandomSampler
from optuna_bridge.samplers.tpe.sampler import ColumnTPESampler

PYTORCH = OptionalPart("torch", "PyTorch", "make torch, or pip install torch")


def _reseed_gp(sampler: BoundedGPSampler, seed: int, number: int) -> None:
    reseed(sampler, seed, number)
    sampler.forget_fits()


# Budgets, in trials, are those that Optuna recommends:
# https://optuna.readthedocs.io/en/stable/reference/samplers/index.html
SAMPLERS: dict[str, SamplerKind] = {
    "auto": SamplerKind(
        build=lambda options, distributions: AutoSampler(distributions, **options),
        options={"seed": SEED},
        reads_columns=True,
        reads_steps=True,
        max_redraws=1,  # as for `gp`
        reseed=lambda sampler, seed, number: sampler.reseed(seed, number),
        depends_on_number=depends_on_number,
        budget=(10, 1000),
        max_running=lambda options, n_known: max(10, n_known // 2),
    ),
    "tpe": SamplerKind(
        build=lambda options, distributions: ColumnTPESampler(distributions, **options),
        options={
            "seed": SEED,
            "n_startup_trials": Option("int", 10, "Random trials before a model.", 0, 10**6),
            "multivariate": Option("bool", True, "Model the parameters jointly."),
            "constant_liar": Option("bool", True, "Avoid the points of running trials."),
            "group": Option("bool", False, "Model groups of parameters that occur together."),
            "n_ei_candidates": Option("int", 24, "Candidates for expected improvement.", 1, 1000),
        },
        conflicts=lambda options: (
            [("group", "group needs multivariate: true")]
            if options["group"] and not options["multivariate"]
            else []
        ),
        reads_columns=True,
        reads_steps=True,
        budget=(100, 1000),
        max_running=lambda options, n_known: max(10, n_known),
    ),
    "gp": SamplerKind(
        build=lambda options, distributions: BoundedGPSampler(distributions, **options),
        options={
            "seed": SEED,
            "n_startup_trials": Option("int", 10, "Random trials before a model.", 0, 10**6),
            "deterministic_objective": Option("bool", False, "The objective has no noise."),
        },
        requires=[PYTORCH],
        fault_of_size=fault_of_size,
        max_redraws=1,  # a draw is slow, and usually returns the same point again
        reseed=_reseed_gp,
        budget=(10, 500),
        slow_beyond=500,
        max_running=lambda options, n_known: max(10, n_known // 2),
    ),
    "random": SamplerKind(
        build=lambda options, distributions: RandomSampler(**options),
        options={"seed": SEED},
        is_slow=False,
    ),
    "nsgaii": SamplerKind(
        build=lambda options, distributions: NSGAIISampler(distributions, **options),
        options={
            "seed": SEED,
            "population_size": Option("int", 50, "Trials in a generation.", 2, 2000),
            "mutation_prob": Option(
                "float", None, "Chance that a parameter mutates; null: 1 / parameters.", 0, 1
            ),
            "crossover_prob": Option("float", 0.9, "Chance of a crossover.", 0, 1),
            "swapping_prob": Option("float", 0.5, "Chance to swap a parameter.", 0, 1),
        },
        annotates_trials=True,
        budget=(100, 10_000),
        max_running=lambda options, n_known: options.get("population_size"),
    ),
    "qmc": SamplerKind(
        build=lambda options, distributions: NumberedQMCSampler(distributions, **options),
        options={
            "seed": SEED,
            "qmc_type": Option(
                "choice", "sobol", "The quasi-random sequence.", choices=("sobol", "halton")
            ),
            "scramble": Option("bool", False, "Randomise the sequence."),
        },
        needs_number=True,
        at_random=lambda sampler: sampler.at_random(),
        shares_seed=lambda options: options["scramble"],  # all processes need the same sequence
    ),
}


def missing_samplers() -> dict[str, str]:
    """Return the samplers that cannot draw in this installation, and why."""
    return {name: missing for name, kind in SAMPLERS.items() if (missing := kind.missing)}


def build_sampler(
    name: str, options: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> BaseSampler:
    """Build a new sampler from all its options."""
    with warnings.catch_warnings():
        # The API deliberately offers the experimental `group` and `deterministic_objective`.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return SAMPLERS[name].build(options, distributions)
