"""Studies that repeat each other, and whether two definitions differ by more than chance."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

from analysis import lazy_imports
from studies.models import Study

ALPHA = 0.05  # the level of significance
_DEFINITION = (
    *("directions", "sampler", "pruner", "constraints", "parameter_constraints", "duplicates"),
    *("pruning_direction", "repeats", "max_trials", "target_value", "stop_after_no_improvement"),
)
NOT_REPEATED = (
    "No two definitions are repeated, so a difference may be chance: create studies with the same "
    "definition and other seeds, at least four of each, and compare them."
)


@dataclass(frozen=True)
class Group:
    """Studies with the same definition but for the seed, and their final values.

    Attributes:
        studies: Their positions among the compared studies.
        values: The best value, or hypervolume, of each of them that has one.
        has_equal_seeds: Whether two of them have the same seed: they are no independent repeats.
    """

    studies: list[int]
    values: list[float]
    has_equal_seeds: bool

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.values) if self.values else None

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None


@dataclass(frozen=True)
class GroupTest:
    """A test of whether the values of two groups differ by more than chance.

    Attributes:
        groups: The positions of the two groups.
        n: How many values each has.
        p_value: Of the two-sided Mann-Whitney U test, exact; None if it cannot be computed.
        detail: The result in words.
    """

    groups: tuple[int, int]
    n: tuple[int, int]
    p_value: float | None
    detail: str

    @property
    def is_significant(self) -> bool:
        return self.p_value is not None and self.p_value < ALPHA


def groups_of(studies: Sequence[Study], finals: Sequence[float | None]) -> list[Group]:
    """Return the groups of studies that repeat each other, by their first studies."""
    by_definition: dict[str, list[int]] = {}
    for index, study in enumerate(studies):
        by_definition.setdefault(_definition(study), []).append(index)
    groups = []
    for members in by_definition.values():
        seeds = [studies[index].sampler_options.get("seed") for index in members]
        given = [seed for seed in seeds if seed is not None]
        values = [final for index in members if (final := finals[index]) is not None]
        groups.append(Group(members, values, len(set(given)) < len(given)))
    return groups


def compare_groups(groups: Sequence[Group]) -> list[GroupTest]:
    """GroupTest each two groups that have several studies."""
    repeated = [(index, group) for index, group in enumerate(groups) if len(group.studies) > 1]
    return [_test(*one, *other) for one, other in combinations(repeated, 2)]


def significance_of(groups: Sequence[Group], tests: Sequence[GroupTest], sign: float) -> str:
    """Say which repeated definitions are better, and whether that may be chance.

    `sign` is 1 if smaller values are better, else -1.
    """
    if not tests:
        return NOT_REPEATED
    return " ".join(_sentence(groups, each, sign) for each in tests)


def _sentence(groups: Sequence[Group], test: GroupTest, sign: float) -> str:
    better, worse = sorted(
        test.groups,
        key=lambda index: (
            math.inf if groups[index].median is None else (groups[index].median or 0.0) * sign
        ),
    )
    medians = groups[better].median, groups[worse].median
    if None in medians:
        return f"Groups {test.groups[0] + 1} and {test.groups[1] + 1}: {test.detail}."
    if medians[0] == medians[1]:
        start = f"Groups {better + 1} and {worse + 1} have the same median, {medians[0]:.6g}"
    else:
        start = (
            f"Group {better + 1} has the better median, {medians[0]:.6g}, against {medians[1]:.6g} "
            f"of group {worse + 1}"
        )
    return f"{start}; {test.detail}."


def _test(index: int, one: Group, other_index: int, other: Group) -> GroupTest:
    groups, n = (index, other_index), (one.n, other.n)
    if one.has_equal_seeds or other.has_equal_seeds:
        detail = "studies of a group have the same seed: they are no independent repeats"
        return GroupTest(groups, n, None, detail)
    if 0 in n:
        return GroupTest(groups, n, None, "a group has no result yet")
    p_value = _mann_whitney(one.values, other.values)
    sizes = f"{one.n} against {other.n} studies, p = {p_value:.2g}"
    if p_value < ALPHA:
        return GroupTest(groups, n, p_value, f"significant: {sizes}")
    if 2 / comb(one.n + other.n, one.n) >= ALPHA:
        detail = f"too few to tell: with {sizes}; four against four can show a difference"
        return GroupTest(groups, n, p_value, detail)
    return GroupTest(groups, n, p_value, f"not significant, it may be chance: {sizes}")


def _mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the p value of the two-sided Mann-Whitney U test, also for equal values.

    The groups have eight values together at most: all of their 70 permutations are computed.
    """
    stats: Any = lazy_imports.load("scipy.stats")
    exact = stats.PermutationMethod(n_resamples=10_000)
    return float(stats.mannwhitneyu(one, other, method=exact).pvalue)


def _definition(study: Study) -> str:
    """Return what the studies of a group have in common, as a text."""
    fields = {name: getattr(study, name) for name in _DEFINITION}
    options = [_without_seed(study.sampler_options), _without_seed(study.pruner_options)]
    space = sorted(study.current.parameters, key=lambda each: str(each["name"]))
    return json.dumps([fields, options, space], sort_keys=True)


def _without_seed(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != "seed"}
