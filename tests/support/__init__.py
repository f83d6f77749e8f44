"""Helpers of the tests, one module for each purpose."""

import os
from pathlib import Path
from typing import Any

JSON = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
X_SPACE: list[JSON] = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]

# Smaller proofs for trying them out: 0.1 plays a tenth.
SCALE = float(os.environ.get("ACCEPT_SCALE", "1"))


def scaled(full: int, least: int) -> int:
    """The size of a proof at the scale of this run, and never below `least`."""
    return max(least, round(full * SCALE))
