"""Which study is better, and by how much, in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MAX_NAME = 60  # characters of a study's name
_MAX_PERCENT = 1000  # beyond it a share says nothing: the other value is nearly 0


@dataclass(frozen=True)
class Standing:
    """How good a study is at last, and after how many trials it was as good as the target."""

    study_name: str
    final: float | None
    reached_after: int | None

    @property
    def name(self) -> str:
        """The study's name in quotation marks, truncated."""
        name = self.study_name
        return f"“{name}”" if len(name) <= MAX_NAME else f"“{name[: MAX_NAME - 1]}…”"


def headline(
    standings: Sequence[Standing], *, sign: float, target: float | None, what: str = ""
) -> str:
    """Say in a few sentences which study is better.

    Args:
        standings: The studies.
        sign: 1 if smaller values are better, else -1.
        target: The value by which they are compared in speed, or None.
        what: What the values are, with a blank, where it does not go without saying.
    """
    ranked = sorted(
        (each for each in standings if each.final is not None),
        key=lambda each: (each.final or 0.0) * sign,
    )
    if not ranked:
        return "No study has a result yet."
    sentences = [_ranking(ranked, what)]
    if target is not None and len(ranked) > 1:
        sentences.append(_speed(ranked, target, what))
    if missing := [each.name for each in standings if each.final is None]:
        verb = "has" if len(missing) == 1 else "have"
        sentences.append(f"{_listed(missing)} {verb} no result yet.")
    return " ".join(sentences)


def _ranking(ranked: Sequence[Standing], what: str) -> str:
    best = [each for each in ranked if each.final == ranked[0].final]
    others = ranked[len(best) :]
    names, value = _listed([each.name for each in best]), f"{what}{_number(best[0].final, ranked)}"
    if len(ranked) == 1:
        return f"Only {names} has a result: {value}."
    if not others:
        return f"{names} are equally good: {value}."
    gap = _gap(best[0].final or 0.0, others[0].final or 0.0)
    if len(ranked) == 2:
        return f"{names} is better: {value}, against {_number(others[0].final, ranked)}{gap}."
    verb = "is" if len(best) == 1 else "are"
    follows = f"then {others[0].name} ({_number(others[0].final, ranked)}){gap}"
    if len(others) > 1:
        follows += f"; last {others[-1].name} ({_number(others[-1].final, ranked)})"
    return f"{names} {verb} best of {len(ranked)}: {value}; {follows}."


def _gap(best: float, next_best: float) -> str:
    """Return how far a value is from the best, also as a share; nothing if it is infinite."""
    gap = abs(best - next_best)
    if not math.isfinite(gap):
        return ""
    is_share = next_best and best * next_best >= 0  # across zero it says nothing
    percent = 100 * gap / abs(next_best) if is_share else math.inf
    share = f" ({percent:.3g} %)" if percent <= _MAX_PERCENT else ""
    return f", a gap of {gap:.4g}{share}"


def _speed(ranked: Sequence[Standing], target: float, what: str) -> str:
    """Return a sentence on how soon the first studies, and the last, were as good as the target."""
    soon = sorted(
        (each for each in ranked if each.reached_after is not None),
        key=lambda each: each.reached_after or 0,
    )
    value = f"{what}{_number(target, ranked)}"
    if not soon:
        return f"None has reached {value}."
    parts = [f"{each.name} after {_trials(each.reached_after or 0)}" for each in soon]
    worst = ", the worst of these," if target == ranked[-1].final else ""
    start = f"{value[0].upper()}{value[1:]}{worst} was reached"
    sentence = f"{start} by {_listed(parts)}."
    if len(parts) > 3:
        sentence = f"{start} first by {parts[0]}, last by {parts[-1]}."
    never = [each.name for each in ranked if each.reached_after is None]
    return f"{sentence} {_listed(never)} did not reach it." if never else sentence


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n:,} trials"


def _number(value: float | None, among: Sequence[Standing]) -> str:
    """Format a number with six digits, or with all where six do not tell it from the others."""
    others = [each.final for each in among if each.final not in (None, value)]
    short = f"{value:.6g}"
    return repr(value) if any(f"{other:.6g}" == short for other in others) else short
