"""The direction of an objective."""

from enum import IntEnum


class Direction(IntEnum):
    """Minimize or maximize: equal to Optuna's `StudyDirection`, which callbacks compare with."""

    MINIMIZE = 1
    MAXIMIZE = 2
