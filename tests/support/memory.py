"""The memory that a call takes."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any


def peak_memory(function: Callable[[], Any]) -> int:
    """How many bytes of Python objects there were at most, above those before the call."""
    gc.collect()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
