"""The algorithms: the service's samplers over HTTP, and peers in their own processes.

An algorithm is started for a problem and a seed; it then returns points, and is given their values
in any order. Each peer is imported when it is started, so that it may have an environment of its
own, with NumPy and scikit-learn.
"""

import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from bench.quality.problem import Params, Problem


class Search(Protocol):
    """A running algorithm; a handle names a point that it has returned."""

    def ask(self) -> tuple[Any, Params]: ...

    def tell(self, handle: Any, values: Sequence[float]) -> None: ...


class Algorithm(NamedTuple):
    """How an algorithm is started, and the version by which its results are kept."""

    start: Callable[[Problem, int], Search]
    version: Callable[[], str]


def algorithm(name: str) -> Algorithm:
    """Return an algorithm by its name: one of the peers', or a sampler of the service."""
    if name in PEERS:
        return PEERS[name]
    return Algorithm(lambda problem, seed: _Service(name, problem, seed), _version_of_service)


class _Service:
    """A study of the service at the port of the variable QUALITY_PORT."""

    def __init__(self, sampler: str, problem: Problem, seed: int) -> None:
        from bench.service import Client

        self._client = Client(int(os.environ["QUALITY_PORT"]))
        self._name = f"{sampler} {problem.name} {seed} {os.getpid()} {os.urandom(4).hex()}"
        directions = ["minimize"] * problem.n_objectives
        self._client.create_study(
            name=self._name,
            direction=directions if problem.n_objectives > 1 else "minimize",
            search_space=list(problem.space),
            sampler=sampler,
            sampler_options={"seed": seed},
            pruner="none",
        )

    def ask(self) -> tuple[Any, Params]:
        trial = self._client.suggest(self._name)
        return trial["trial_id"], trial["params"]

    def tell(self, handle: Any, values: Sequence[float]) -> None:
        value = list(values) if len(values) > 1 else values[0]
        self._client.complete(self._name, handle, values=value)


def _version_of_service() -> str:
    import tuner_project

    return tuner_project.__version__


class _Random:
    """Optuna's random sampler in memory, by which regret is normalised."""

    def __init__(self, problem: Problem, seed: int) -> None:
        import optuna

        from optuna_bridge.space.search_space import SearchSpace

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.RandomSampler(seed=seed)
        self._study = optuna.create_study(
            directions=["minimize"] * problem.n_objectives, sampler=sampler
        )
        self._distributions = SearchSpace(problem.space).distributions

    def ask(self) -> tuple[Any, Params]:
        trial = self._study.ask(self._distributions)
        return trial, trial.params

    def tell(self, handle: Any, values: Sequence[float]) -> None:
        self._study.tell(handle, values)


class _Ax:
    """Ax's client with its default generation strategy."""

    def __init__(self, problem: Problem, seed: int) -> None:
        from ax.service.ax_client import AxClient, ObjectiveProperties

        warnings.simplefilter("ignore")
        self._client = AxClient(random_seed=seed, verbose_logging=False)
        self._names = [f"y{i}" for i in range(problem.n_objectives)]
        reference = problem.reference or (None,)
        self._client.create_experiment(
            parameters=[_of_ax(each) for each in problem.space],
            objectives={
                name: ObjectiveProperties(minimize=True, threshold=limit)
                for name, limit in zip(self._names, reference, strict=True)
            },
        )
        self._space = problem.space

    def ask(self) -> tuple[Any, Params]:
        params, index = self._client.get_next_trial()
        return index, _on_steps(self._space, params)

    def tell(self, handle: Any, values: Sequence[float]) -> None:
        found = {name: (value, None) for name, value in zip(self._names, values, strict=True)}
        self._client.complete_trial(handle, raw_data=found)


def _of_ax(parameter: Params) -> dict[str, Any]:
    if parameter["type"] == "categorical":
        choices = parameter["choices"]
        return {"name": parameter["name"], "type": "choice", "values": choices, "is_ordered": False}
    return {
        "name": parameter["name"],
        "type": "range",
        "bounds": [parameter["low"], parameter["high"]],
        "value_type": parameter["type"],
        "log_scale": bool(parameter.get("log")),
    }


def _on_steps(space: Sequence[Params], params: Params) -> Params:
    """Round numbers to their steps, which most peers lack."""
    return {each["name"]: _on_step(each, params[each["name"]]) for each in space}


def _on_step(parameter: Params, value: Any) -> Any:
    if parameter["type"] == "categorical" or not parameter.get("step"):
        return value
    steps = round((value - parameter["low"]) / parameter["step"])
    return min(parameter["low"] + steps * parameter["step"], parameter["high"])


class _Smac:
    """SMAC3's facade for black boxes, one objective only."""

    def __init__(self, problem: Problem, seed: int) -> None:
        from ConfigSpace import (
            CategoricalHyperparameter,
            ConfigurationSpace,
            UniformFloatHyperparameter,
            UniformIntegerHyperparameter,
        )
        from smac import BlackBoxFacade, HyperparameterOptimizationFacade, Scenario

        def hyperparameter(each: Params) -> Any:
            if each["type"] == "categorical":
                return CategoricalHyperparameter(each["name"], each["choices"])
            kinds = {"int": UniformIntegerHyperparameter, "float": UniformFloatHyperparameter}
            bounds = each["low"], each["high"]
            return kinds[each["type"]](each["name"], *bounds, log=bool(each.get("log")))

        space = ConfigurationSpace(seed=seed)
        space.add([hyperparameter(each) for each in problem.space])
        is_mixed = any(each["type"] == "categorical" for each in problem.space)
        facade = HyperparameterOptimizationFacade if is_mixed else BlackBoxFacade
        scenario = Scenario(space, n_trials=10_000, seed=seed, deterministic=not problem.noise)
        self._smac = facade(
            scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=False
        )
        self._space = problem.space

    def ask(self) -> tuple[Any, Params]:
        trial = self._smac.ask()
        return trial, _on_steps(self._space, trial.config)

    def tell(self, handle: Any, values: Sequence[float]) -> None:
        from smac.runhistory.dataclasses import TrialValue

        self._smac.tell(handle, TrialValue(cost=values[0]))


class _OpenBox:
    """OpenBox's advisor for points that are evaluated in parallel, with its default choices."""

    def __init__(self, problem: Problem, seed: int) -> None:
        import logging

        from openbox import AsyncBatchAdvisor, Observation
        from openbox import space as spaces

        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")

        def variable(each: Params) -> Any:
            if each["type"] == "categorical":
                return spaces.Categorical(each["name"], each["choices"])
            kinds = {"int": spaces.Int, "float": spaces.Real}
            bounds = each["low"], each["high"]
            return kinds[each["type"]](each["name"], *bounds, log=bool(each.get("log")))

        space = spaces.Space()
        space.add_variables([variable(each) for each in problem.space])
        self._advisor = AsyncBatchAdvisor(
            space,
            num_objectives=problem.n_objectives,
            ref_point=problem.reference and list(problem.reference),
            random_state=seed,
            output_dir=tempfile.mkdtemp(),
        )
        self._observation = Observation
        self._space = problem.space

    def ask(self) -> tuple[Any, Params]:
        config = self._advisor.get_suggestion()
        return config, _on_steps(self._space, config.get_dictionary())

    def tell(self, handle: Any, values: Sequence[float]) -> None:
        found = self._observation(config=handle, objectives=list(values))
        self._advisor.update_observation(found)


def _version(package: str) -> Callable[[], str]:
    def of_package() -> str:
        from importlib.metadata import version

        return version(package)

    return of_package


PEERS: dict[str, Algorithm] = {
    "uniform": Algorithm(_Random, _version("optuna")),
    "ax": Algorithm(_Ax, _version("ax-platform")),
    "smac": Algorithm(_Smac, _version("smac")),
    "openbox": Algorithm(_OpenBox, _version("openbox")),
}
