"""The samplers: a registry from name to Optuna's sampler, its options and its traits.

To add a sampler, add an entry. The choices in the API, the settings, the admin and OpenAPI, and
the service's special treatment of a sampler, follow from it.
"""

import warnings
from collections.abc import Mapping
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from optuna_bridge.options import SEED, Option
from optuna_bridge.samplers import exhaustive, nsgaiii
from optuna_bridge.samplers.auto.sampler import AutoSampler, depends_on_number
from optuna_bridge.samplers.cmaes import limits as cmaes
from optuna_bridge.samplers.gp import sampler as gp
from optuna_bridge.samplers.kind import SamplerKind
from optuna_bridge.samplers.nsgaii import NSGAIISampler
from optuna_bridge.samplers.nsgaiii import NSGAIIISampler
from optuna_bridge.samplers.qmc import NumberedQMCSampler
from optuna_bridge.samplers.random_sampler import RandomSampler
from optuna_bridge.samplers.tpe import grouping as tpe
from optuna_bridge.space.search_space import SearchSpace


def _build_cmaes(options: Mapping[str, Any], space: SearchSpace) -> BaseSampler:
    # Here, since it imports scipy, which a process needs only if it draws.
    from optuna_bridge.samplers.cmaes.sampler import ReplayedCmaEsSampler

    # Trials differ in the other parameters, which it cannot model.
    return ReplayedCmaEsSampler(space.distributions_of(space.conditions.always_active), **options)


_GENETIC = {
    "seed": SEED,
    "population_size": Option("int", 50, "Trials in a generation.", 2, 2000),
    "mutation_prob": Option(
        "float", None, "Chance that a parameter mutates; null: 1 / parameters.", 0, 1
    ),
    "crossover_prob": Option("float", 0.9, "Chance of a crossover.", 0, 1),
    "swapping_prob": Option("float", 0.5, "Chance to swap a parameter.", 0, 1),
}

# Budgets, in trials, are those that Optuna recommends:
# https://optuna.readthedocs.io/en/stable/reference/samplers/index.html
SAMPLERS: dict[str, SamplerKind] = {
    "auto": SamplerKind(
        build=lambda options, space: AutoSampler(space, **options),
        options={"seed": SEED},
        reads_columns=True,
        reads_steps=True,
        max_redraws=1,  # as for `gp`
        restrict=lambda sampler, constraints: sampler.restrict(constraints),
        is_modelled=lambda sampler, is_joint: sampler.is_modelled(is_joint),
        reseed=lambda sampler, seed, number: sampler.reseed(seed, number),
        depends_on_number=depends_on_number,
        budget=(10, 1000),
        max_running=lambda options, n_known: max(10, n_known // 2),
    ),
    "tpe": SamplerKind(
        build=lambda options, space: tpe.build(space, options),
        options={
            "seed": SEED,
            "n_startup_trials": Option("int", 10, "Random trials before a model.", 0, 10**6),
            "multivariate": Option(
                "bool",
                None,
                "Model the parameters jointly; null: jointly for one objective, independently for "
                "several.",
            ),
            "constant_liar": Option("bool", True, "Avoid the points of running trials."),
            "group": Option("bool", False, "Model groups of parameters that occur together."),
            "n_ei_candidates": Option("int", 24, "Candidates for expected improvement.", 1, 1000),
        },
        conflicts=lambda options: (
            [("group", "group needs multivariate: true or null")]
            if options["group"] and options["multivariate"] is False
            else []
        ),
        effective=tpe.effective_options,
        restrict=lambda sampler, constraints: sampler.restrict(constraints),
        is_modelled=lambda sampler, is_joint: sampler.has_modelled,
        reads_columns=True,
        reads_steps=True,
        budget=(100, 1000),
        max_running=lambda options, n_known: max(10, n_known),
    ),
    "gp": SamplerKind(
        build=lambda options, space: gp.build(space, options),
        options={
            "seed": SEED,
            "n_startup_trials": Option("int", 10, "Random trials before a model.", 0, 10**6),
            "deterministic_objective": Option("bool", False, "The objective has no noise."),
        },
        requires=[gp.PYTORCH],
        fault_of_study=gp.fault_of_study,
        max_redraws=1,  # a draw is slow, and usually returns the same point again
        restrict=lambda sampler, constraints: sampler.restrict(constraints),
        reseed=gp.reseed_gp,
        budget=(10, 500),
        slow_beyond=500,
        max_running=lambda options, n_known: max(10, n_known // 2),
    ),
    "random": SamplerKind(
        build=lambda options, space: RandomSampler(**options),
        options={"seed": SEED},
        is_slow=False,
    ),
    "nsgaii": SamplerKind(
        build=lambda options, space: NSGAIISampler(space.distributions, **options),
        options=_GENETIC,
        annotates_trials=True,
        budget=(100, 10_000),
        max_running=lambda options, n_known: options.get("population_size"),
    ),
    "nsgaiii": SamplerKind(
        build=lambda options, space: NSGAIIISampler(space.distributions, **options),
        options=_GENETIC
        | {
            "dividing_parameter": Option(
                "int", 3, "Divisions of each axis between the reference points.", 1, 1000
            ),
        },
        fault_of_study=nsgaiii.fault_of_study,
        annotates_trials=True,
        budget=(100, 10_000),
        max_running=lambda options, n_known: options.get("population_size"),
    ),
    "cmaes": SamplerKind(
        build=_build_cmaes,
        options={
            "seed": SEED,
            "n_startup_trials": Option("int", 1, "Random trials before the first.", 0, 10**6),
            "sigma0": Option(
                "float",
                None,
                "Initial step size as a share of each parameter's range; null: 1/6.",
                1e-6,
                10,
            ),
            "popsize": Option(
                "int", None, "Trials in a generation; null: 4 + 3 ln(parameters).", 4, 1000
            ),
            "use_separable_cma": Option(
                "bool", False, "Learn scales only, without correlations: up to 1,000 parameters."
            ),
            "with_margin": Option(
                "bool", False, "Keep exploring the neighbouring values of integers and steps."
            ),
            "lr_adapt": Option("bool", False, "Adapt the learning rate, for noisy objectives."),
            "consider_pruned_trials": Option(
                "bool", False, "Learn from pruned trials, by their last intermediate values."
            ),
        },
        conflicts=cmaes.conflicts,
        fault_of_study=cmaes.fault_of_study,
        reads_steps=True,
        annotates_trials=True,
        restarts_with_space=True,
        budget=(1000, 10_000),
        max_running=lambda options, n_known: options.get("popsize"),
    ),
    "qmc": SamplerKind(
        build=lambda options, space: NumberedQMCSampler(space.distributions, **options),
        options={
            "seed": SEED,
            "qmc_type": Option(
                "choice", "sobol", "The quasi-random sequence.", choices=("sobol", "halton")
            ),
            "scramble": Option("bool", False, "Randomise the sequence."),
        },
        needs_number=True,
        restrict=lambda sampler, constraints: sampler.restrict(constraints),
        is_modelled=lambda sampler, is_joint: False,
        at_random=lambda sampler: sampler.at_random(),
        shares_seed=lambda options: options["scramble"],  # all processes need the same sequence
    ),
    "brute_force": SamplerKind(
        build=lambda options, space: RandomSampler(**options),
        options={"seed": SEED},
        fault_of_study=exhaustive.fault_of_space,
        visits_each_point=True,
        is_slow=False,
    ),
    "grid": SamplerKind(
        build=lambda options, space: exhaustive.GridValuesSampler(space.distributions, **options),
        options={
            "seed": SEED,
            "n_values": Option(
                "int",
                5,
                "Values of each float and int on the grid, at equal distances, in the logarithm if "
                "`log` is set; all values, if it has no more.",
                2,
                1000,
            ),
        },
        fault_of_study=exhaustive.fault_of_grid,
        visits_each_point=True,
        points=exhaustive.points_of_grid,
        is_slow=False,
    ),
}


def missing_samplers() -> dict[str, str]:
    """Return the samplers that cannot draw in this installation, and why."""
    return {name: missing for name, kind in SAMPLERS.items() if (missing := kind.missing)}


def build_sampler(name: str, options: Mapping[str, Any], space: SearchSpace) -> BaseSampler:
    """Build a new sampler from all its options, for a space as samplers see it."""
    with warnings.catch_warnings():
        # The API deliberately offers the experimental `group` and `deterministic_objective`.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return SAMPLERS[name].build(options, space)
