"""What an exception of an evaluation says of its trial."""

import sys
import traceback
from typing import NoReturn

from tuner.errors import LeaseLost, StudyStopped

REASON_LENGTH = 10_000  # what the service takes


def raise_pruned(reason: str) -> NoReturn:
    """Raise `tuner.Pruned`, which imports Optuna where it is installed."""
    from tuner.pruned import Pruned

    raise Pruned(reason)


def is_pruned(error: BaseException) -> bool:
    """Tell whether an exception is `tuner.Pruned` or Optuna's `TrialPruned`.

    A program that has raised one has imported its module: nothing is imported here.
    """
    modules = [sys.modules.get(name) for name in ("tuner.pruned", "optuna.exceptions")]
    return any(isinstance(error, module.TrialPruned) for module in modules if module is not None)


def ends_trial_only(error: BaseException) -> bool:
    """Tell whether an exception ends its trial as planned, so that the worker goes on."""
    return is_pruned(error) or isinstance(error, StudyStopped | LeaseLost)


def describe_failure(error: BaseException) -> str:
    """Return the reason of a failure: the exception, and as much of its traceback's end as fits."""
    head = "".join(traceback.format_exception_only(type(error), error)).strip()
    place = "".join(traceback.format_tb(error.__traceback__))
    room = REASON_LENGTH - len(head) - 2
    return f"{head}\n\n{place[-room:]}".strip() if room > 0 else head


def as_reason(text: str | None) -> str | None:
    """Return a reason as the service stores it: not too long, without NUL and lone surrogates."""
    if not text:
        return None
    return text[:REASON_LENGTH].replace("\0", "\ufffd").encode(errors="replace").decode()
