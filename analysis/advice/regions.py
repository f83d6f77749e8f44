"""Advice on regions of the search space in which all trials fail."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.advice.evidence import FEW, Advice, Evidence
from optuna_bridge.space.search_space import Parameter

MAX_CHANCE = 0.01  # that trials which fail at random look like any such region
MAX_REGIONS = 3

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """A part of a parameter's range, or one of its choices, in which all n trials failed."""

    parameter: Parameter
    where: str
    n: int


def failing_region(evidence: Evidence) -> Iterator[Advice]:
    """Advise if trials fail in a part of the space only.

    If trials failed at random, a given set of k of n trials, such as the k highest of a parameter,
    would contain only failures with the probability C(n - k, f - k) / C(n, f), for f failures. It
    is multiplied by the number of sets that were looked at (Bonferroni).

    Infeasible trials are left out, since samplers learn from them.
    """
    trials = [trial for trial in evidence.recent if trial.has_all_params and not trial.infeasible]
    failed = np.array([trial.state == "FAIL" for trial in trials], dtype=np.bool_)
    n, n_failed = len(failed), int(failed.sum())
    if n_failed < FEW or n_failed == n:
        return
    params = np.array([trial.internal_params for trial in trials], dtype=np.float64)
    space = evidence.study.search_space
    n_sets = sum(len(parameter.get("choices", "<>")) for parameter in space)  # "<>": two ends
    found = [
        region
        for parameter, values in zip(space, params.T, strict=True)
        for region in _failing(parameter, values, failed)
        if region.n >= FEW
        and n_sets * comb(n - region.n, n_failed - region.n) <= MAX_CHANCE * comb(n, n_failed)
    ]
    for region in sorted(found, key=lambda each: -each.n)[:MAX_REGIONS]:
        name = region.parameter["name"]
        yield Advice(
            "region_fails",
            f'of the latest {n} trials that ended, all {region.n} with parameter "{name}" '
            f"{region.where} have failed, and {n - n_failed} others have not. Fail such trials as "
            "infeasible, so that the sampler learns from it, or clone the study without this part "
            "of the space.",
            name,
        )


def _failing(parameter: Parameter, values: NDArray[np.float64], failed: Mask) -> Iterator[Region]:
    """Yield the regions of a parameter in which all trials failed, with any number of them."""
    if parameter["type"] == "categorical":
        for index, choice in enumerate(parameter["choices"]):
            is_chosen = values == index
            if failed[is_chosen].all():
                yield Region(parameter, f"equal to {choice!r:.80}", int(is_chosen.sum()))
        return
    succeeded = values[~failed & ~np.isnan(values)]
    if not len(succeeded):  # no trial that succeeded has the parameter
        return
    low, high = succeeded.min(), succeeded.max()
    yield Region(parameter, f"below {_text(parameter, low)}", int((values < low).sum()))
    yield Region(parameter, f"above {_text(parameter, high)}", int((values > high).sum()))


def _text(parameter: Parameter, value: Any) -> str:
    """Return a value in the internal representation as a text."""
    if parameter["type"] == "ordinal":
        return str(parameter["values"][int(value)])
    return str(int(value)) if parameter["type"] == "int" else f"{value:.6g}"
