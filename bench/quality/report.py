"""The report: normalised regret after a number of evaluations, ranks, and the plot."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu, rankdata

from bench.quality.problems import CHOSEN_ON, PROBLEMS, REPORTED_ON, TWINS
from bench.quality.runs import BUDGETS, Result

RANDOM, DEFAULT, MODEL = "uniform", "tpe", "gp"
FLOOR = 1e-3  # of a regret: nearer to the best known value, algorithms are not told apart
_SIGNIFICANT = 0.05
HALVES = {"chosen on": CHOSEN_ON, "reported on": REPORTED_ON}
_INTRODUCTION = """\
# How good the optimum is

Written by `python -m bench.quality report --output bench/quality`, from the runs in `results/`.

Regret is 0 for the best value that is known of a problem, and 1 for the median of random search
after as many evaluations. What is compared is the value without noise of the point that looked
best; of two objectives, the hypervolume. The tables have the geometric mean over the problems of
the mean over the runs, and in brackets the mean rank among the algorithms that have run on all of
them. The last column names problems on which an algorithm is significantly worse (Mann-Whitney,
Holm-corrected, 5 %).

The problems are in `problems.py`. The rule of `auto` was chosen on one half of them; only the other
half is reported. Peers run with their defaults, by `algorithms.py`.
"""

Key = tuple[str, int]  # a problem, and how many points were open at a time


class Regrets:
    """Regret of each run, 0 for the best value that is known and 1 for the median of random search.

    Random search has the same number of evaluations.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self._losses: dict[str, dict[Key, list[np.ndarray]]] = {}
        for each in results:
            setting = each.setting
            sign = -1.0 if PROBLEMS[setting.problem].reference else 1.0
            of_algorithm = self._losses.setdefault(setting.algorithm, {})
            key = setting.problem, setting.parallel
            of_algorithm.setdefault(key, []).append(sign * np.array(each.curve))
        self._best = {name: self._best_of(name) for name in PROBLEMS}
        self.algorithms = sorted(self._losses.keys() - {RANDOM})

    def _best_of(self, problem: str) -> float:
        known = PROBLEMS[problem].best
        if known is not None:
            return known
        curves = (
            curve
            for of_algorithm in self._losses.values()
            for (name, _), found in of_algorithm.items()
            if name == problem
            for curve in found
        )
        return min((float(curve.min()) for curve in curves), default=0.0)

    def runs(self, algorithm: str, key: Key, budget: int) -> np.ndarray:
        """Return the regret of each run that has as many evaluations; none if it was not run."""
        problem, best = key[0], self._best[key[0]]
        at_random = self.losses(RANDOM, (problem, 1), budget)
        losses = self.losses(algorithm, key, budget)
        if not len(at_random) or not len(losses):
            return np.array([])
        return (losses - best) / max(float(np.median(at_random)) - best, 1e-12)

    def losses(self, algorithm: str, key: Key, budget: int) -> np.ndarray:
        """Return the value of each run that has as many evaluations."""
        curves = self._losses.get(algorithm, {}).get(key, [])
        return np.array([curve[budget - 1] for curve in curves if len(curve) >= budget])

    def mean(self, algorithm: str, keys: Iterable[Key], budget: int) -> float | None:
        """Return the geometric mean over problems of the runs' mean; None if one was not run."""
        means = [self.runs(algorithm, key, budget) for key in keys]
        if not all(len(each) for each in means):
            return None
        return float(np.exp(np.mean([np.log(max(each.mean(), FLOOR)) for each in means])))

    def curve(self, algorithm: str, keys: Iterable[Key], longest: int) -> list[float | None]:
        return [self.mean(algorithm, keys, budget) for budget in range(1, longest + 1)]

    def ranks(self, keys: Sequence[Key], budget: int) -> dict[str, float]:
        """Return the mean rank over problems of the algorithms that have run on all of them."""
        complete = [name for name in self.algorithms if self.mean(name, keys, budget) is not None]
        if not complete:
            return {}
        table = [
            rankdata([max(self.runs(name, key, budget).mean(), FLOOR) for name in complete])
            for key in keys
        ]
        return dict(zip(complete, np.mean(table, axis=0).tolist(), strict=True))

    def worse(self, algorithm: str, other: str, keys: Sequence[Key], budget: int) -> list[Key]:
        """Return where an algorithm is significantly worse than another one (Holm-corrected)."""
        found = []
        for key in keys:
            ours, theirs = (self.runs(name, key, budget) for name in (algorithm, other))
            if len(ours) and len(theirs):
                test = mannwhitneyu(ours, theirs, alternative="greater")
                found.append((float(test.pvalue), key))
        worse = []
        for position, (p, key) in enumerate(sorted(found)):
            if p * (len(found) - position) > _SIGNIFICANT:
                break
            worse.append(key)
        return worse


def keys_of(half: str, parallel: int) -> list[Key]:
    return [(problem.name, parallel) for problem in HALVES[half]]


def text(results: Sequence[Result]) -> str:
    """Return the tables as Markdown."""
    regrets = Regrets(results)
    lines: list[str] = []
    for half in HALVES:
        for parallel in sorted({each.setting.parallel for each in results}):
            lines += _table(regrets, half, parallel)
    return "\n".join([*lines, *_per_problem(regrets), *_conditional(regrets), *_asks(results)])


def _table(regrets: Regrets, half: str, parallel: int) -> list[str]:
    keys = keys_of(half, parallel)
    title = "sequential" if parallel == 1 else f"{parallel} in parallel"
    lines = ["", f"### Problems {half}, {title}", ""]
    lines += [f"| | {' | '.join(f'after {n} (rank)' for n in BUDGETS)} | worse than {DEFAULT} |"]
    lines += ["|---" * (len(BUDGETS) + 2) + "|"]
    rows = []
    ranks = {budget: regrets.ranks(keys, budget) for budget in BUDGETS}
    for name in regrets.algorithms:
        means = [regrets.mean(name, keys, budget) for budget in BUDGETS]
        if any(each is not None for each in means):
            cells = [
                "" if mean is None else f"{mean:.3f} ({ranks[budget][name]:.1f})"
                for budget, mean in zip(BUDGETS, means, strict=True)
            ]
            worse = {
                f"{key[0]} at {budget}"
                for budget in BUDGETS
                for key in regrets.worse(name, DEFAULT, keys, budget)
            }
            rows.append(f"| {name} | {' | '.join(cells)} | {', '.join(sorted(worse))} |")
    return lines + rows if rows else []


def _per_problem(regrets: Regrets) -> list[str]:
    lines = ["", "### Each problem, sequential: mean regret after " + ", ".join(map(str, BUDGETS))]
    lines += ["", f"| | {' | '.join(regrets.algorithms)} |"]
    lines += ["|---" * (len(regrets.algorithms) + 1) + "|"]
    for name in PROBLEMS:
        cells = []
        for algorithm in regrets.algorithms:
            found = [regrets.runs(algorithm, (name, 1), budget) for budget in BUDGETS]
            cells.append(" / ".join(f"{each.mean():.3f}" for each in found if len(each)))
        if any(cells):
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _conditional(regrets: Regrets) -> list[str]:
    """Compare spaces with conditions with the same ones without, which are larger."""
    lines = ["", "### With conditions and flattened: mean loss, and p that conditions are better"]
    lines += ["", f"| | | {' | '.join(map(str, BUDGETS))} |", "|---" * (len(BUDGETS) + 2) + "|"]
    rows = []
    for algorithm, (twin, flattened) in product(regrets.algorithms, TWINS):
        cells = []
        for budget in BUDGETS:
            ours, theirs = (
                regrets.losses(algorithm, (each.name, 1), budget) for each in (twin, flattened)
            )
            is_run = len(ours) and len(theirs)
            p = mannwhitneyu(ours, theirs, alternative="less").pvalue if is_run else 1.0
            text = f"{ours.mean():.4f} against {theirs.mean():.4f} ({p:.3f})" if is_run else ""
            cells.append(text)
        if any(cells):
            rows.append(f"| {algorithm} | {twin.name} | {' | '.join(cells)} |")
    return lines + rows if rows else []


def _asks(results: Sequence[Result]) -> list[str]:
    title = "### Versions, runs, and seconds of an ask on an idle machine where they were measured"
    lines = ["", title, "", f"| | runs | {' | '.join(map(str, BUDGETS))} |"]
    lines += ["|---" * (len(BUDGETS) + 2) + "|"]
    for name in sorted({each.setting.algorithm for each in results}):
        own = [each for each in results if each.setting.algorithm == name]
        cells = []
        for n in BUDGETS:
            asks = [each.seconds[n] for each in own if n in each.seconds]
            cells.append(f"{np.median(asks):.3f}" if asks else "")
        lines.append(f"| {name} {own[0].version} | {len(own)} | {' | '.join(cells)} |")
    return lines


def write(results: Sequence[Result], folder: Path) -> None:
    """Write QUALITY.md and regret.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "QUALITY.md").write_text(f"{_INTRODUCTION}{text(results)}\n")
    regrets = Regrets(results)
    keys = keys_of("reported on", 1)
    curves = {name: regrets.curve(name, keys, max(BUDGETS)) for name in regrets.algorithms}
    _plot({name: each for name, each in curves.items() if each[0] is not None}, folder)


def _plot(curves: Mapping[str, Sequence[float | None]], folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "the same file for the same figures"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5))
    for name, curve in curves.items():
        values = [each for each in curve if each is not None]
        axes.plot(range(1, len(values) + 1), values, label=name)
    axes.set(yscale="log", xlabel="evaluations", ylabel="regret (1: random search)")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(folder / "regret.svg", metadata={"Date": None})
    pyplot.close(figure)
