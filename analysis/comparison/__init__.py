"""The comparison of several studies: how good, how fast, with which settings, and by chance or not.

Each study is read in one statement, and what is answered of it has a bounded size.
"""

from analysis.comparison.comparison import (
    MAX_STUDIES,
    MIN_STUDIES,
    ComparedStudy,
    Comparison,
    compare,
)

__all__ = ["MAX_STUDIES", "MIN_STUDIES", "ComparedStudy", "Comparison", "compare"]
