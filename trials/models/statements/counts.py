"""How statements change a study's counts of trials."""

from collections.abc import Mapping

from studies.models import COUNTERS


def count_assignments(moves: Mapping[str, int]) -> str:
    """Return SQL assignments that add to the study's counts, each followed by a comma."""
    fields = {COUNTERS[what]: n for what, n in moves.items()}
    return "".join(f"{field} = {field} + {n:d}, " for field, n in fields.items())
