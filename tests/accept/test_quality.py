"""Concurrent workers optimise through the service no worse than with raw Optuna."""

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

import pytest
from scipy.stats import mannwhitneyu

from tests.accept.optimisation import FUNCTIONS, Run, Setting, run_ours, run_raw
from tests.service import running_service, scaled

pytestmark = pytest.mark.accept

ALPHA = 0.05
PROCESSES = 4  # studies at a time, ours and raw ones mixed
PAUSE = (0.4, 0.8)  # seconds of an evaluation, long against an ask over HTTP
# A Gaussian process thinks for a second, and eight workers queue for it: longer trials.
GP_PAUSE = (2.0, 4.0)
SAMPLERS = ["random", "qmc", "nsgaii", "tpe", "gp"]


@dataclass
class Comparison:
    """One function and sampler: all repeats of both sides."""

    setting: Setting
    repeats: int
    ours: list[Run] = field(default_factory=list)
    raw: list[Run] = field(default_factory=list)

    @property
    def medians(self) -> tuple[float, float]:
        return median(_best(self.ours)), median(_best(self.raw))

    @property
    def p_worse(self) -> float:
        """How likely ours were to be so much worse if both were alike (one-sided)."""
        ours, raw = _best(self.ours), _best(self.raw)
        if len({*ours, *raw}) == 1:
            return 1.0
        return float(mannwhitneyu(ours, raw, alternative="greater").pvalue)

    def line(self, p_corrected: float) -> str:
        ours, raw = self.medians
        opened = [fmean(run.mean_open for run in runs) for runs in (self.ours, self.raw)]
        return (
            f"{self.setting.function:<10}{self.setting.sampler:<8}{self.setting.n_trials:>6} x "
            f"{self.repeats:<4}{ours:>10.4f}{raw:>10.4f}{p_corrected:>8.3f}"
            f"{opened[0]:>9.1f}{opened[1]:>6.1f}"
        )


HEADER = "function  sampler trials x rep.    ours       raw  Holm p  open: ours   raw"


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction (1979): p-values that hold for all comparisons together."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected


def comparison(function: str, sampler: str) -> Comparison:
    pause = GP_PAUSE if sampler == "gp" else PAUSE
    return Comparison(Setting(function, sampler, 100, pause), scaled(15, 3))


@pytest.fixture(scope="module")
def comparisons() -> Iterator[list[Comparison]]:
    """All studies played, ours and raw ones mixed, so that both get the machine alike."""
    comparisons = [comparison(function, sampler) for sampler in SAMPLERS for function in FUNCTIONS]
    context = multiprocessing.get_context("spawn")
    with (
        running_service() as service,
        ProcessPoolExecutor(PROCESSES, context, initializer=_one_thread_each) as pool,
    ):
        places: dict[Future[Run], list[Run]] = {}
        for repeat in range(max(each.repeats for each in comparisons)):
            for each in comparisons:
                if repeat < each.repeats:
                    setting = each.setting
                    name = f"{setting.function}-{setting.sampler}-{repeat}"
                    places[pool.submit(run_ours, service.port, name, setting)] = each.ours
                    places[pool.submit(run_raw, setting)] = each.raw
        for done, task in enumerate(as_completed(places), 1):
            places[task].append(task.result())
            print(f"\r{done} of {len(places)} studies", end="", flush=True)
        yield comparisons


def test_ours_are_no_worse_than_raw_optuna(
    comparisons: list[Comparison], record_property: Callable[[str, Any], None]
) -> None:
    corrected = holm([each.p_worse for each in comparisons])
    lines = [each.line(p) for each, p in zip(comparisons, corrected, strict=True)]
    for line in [HEADER, *lines]:
        record_property("found", line)
    worse = [line for line, p in zip(lines, corrected, strict=True) if p < ALPHA]
    assert worse == []


def test_tpe_is_better_than_random_on_branin(
    comparisons: list[Comparison], record_property: Callable[[str, Any], None]
) -> None:
    medians = {
        each.setting.sampler: each.medians[0]
        for each in comparisons
        if each.setting.function == "branin"
    }
    minimum = FUNCTIONS["branin"].minimum
    record_property(
        "found",
        f"tpe {medians['tpe']:.4f}, random {medians['random']:.4f}; the minimum is {minimum}",
    )
    assert minimum - 1e-6 < medians["tpe"] < medians["random"]


def test_functions_have_their_minima() -> None:
    """The functions themselves are written correctly."""
    hartmann_at = [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]
    for name, at in [("branin", [math.pi, 2.275]), ("hartmann6", hartmann_at)]:
        function = FUNCTIONS[name]
        assert function.value(at) == pytest.approx(function.minimum, abs=1e-5)


def _best(runs: list[Run]) -> list[float]:
    return [run.best for run in runs]


def _one_thread_each() -> None:
    """As in the service: PyTorch's threads would take each other's cores."""
    import torch

    torch.set_num_threads(1)
