"""Libraries that are imported at their first use, since they take a second and much memory."""

import importlib
import threading
from types import ModuleType

PLOTS, IMPORTANCES = "optuna.visualization", "optuna.importance"

_importing = threading.Lock()


def load(name: str) -> ModuleType:
    """Return a module, imported by one thread at a time.

    The libraries of plots and importances import some of the same modules. Two threads that begin
    at different ends may wait for each other, which Python ends by an error.
    """
    with _importing:
        return importlib.import_module(name)
