"""A small line of the best value over time, as SVG without styles of its own."""

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from console import display

WIDTH, HEIGHT, MARGIN = 120, 28, 3


def sparkline(curve: Sequence[tuple[int, float]], n_trials: int) -> SafeString | str:
    """Return the line of (trial, best value so far), with its first and last value as a label.

    `n_trials` is the number of trials of the study, at which the line ends.
    """
    if len(curve) < 2:
        return ""
    label = f"best value from {display.number(curve[0][1])} to {display.number(curve[-1][1])}"
    return format_html(
        '<svg class="tuner-spark" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<path d="{}"/></svg>',
        WIDTH,
        HEIGHT,
        label,
        _path([*curve, (max(n_trials - 1, curve[-1][0]), curve[-1][1])]),
    )


def _path(curve: Sequence[tuple[int, float]]) -> str:
    """Return the steps of a line through the points, within the margins."""
    first, last = curve[0][0], max(curve[-1][0], curve[0][0] + 1)
    low, high = min(value for _, value in curve), max(value for _, value in curve)
    # Halved, since the difference of two values may be infinite.
    span = (high / 2 - low / 2) or 1.0

    def place(number: int, value: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (number - first) / (last - first)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * ((value / 2 - low / 2) / span)
        return round(x, 1), round(y, 1)

    x, y = place(*curve[0])
    parts = [f"M{x} {y}"]
    for number, value in curve[1:]:
        x, y = place(number, value)
        parts.append(f"H{x}V{y}")
    return "".join(parts)
