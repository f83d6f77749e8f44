"""Durations as people say them."""

from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))


def in_largest_unit(time: timedelta) -> str:
    """Format a duration in its largest unit of which it has two, such as 3 h."""
    seconds = max(0.0, time.total_seconds())
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f}\N{NO-BREAK SPACE}{unit}"
    return f"{seconds:.0f}\N{NO-BREAK SPACE}s"
