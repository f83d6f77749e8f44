"""The sampler and the pruner of studies that name none."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from optuna_bridge.pruners import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS


def check_defaults() -> None:
    """Check that the sampler and the pruner of the settings exist.

    The settings cannot: they are read before Optuna may be imported.

    Raises:
        ImproperlyConfigured: one does not; with a line that says what was expected.
    """
    for setting, registry in (("DEFAULT_SAMPLER", SAMPLERS), ("DEFAULT_PRUNER", PRUNERS)):
        name = getattr(settings, setting)
        if name not in registry:
            names = ", ".join(registry)
            raise ImproperlyConfigured(f"{setting} is {name!r}: expected one of {names}")
