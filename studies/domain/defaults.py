"""The default sampler and pruner."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS


def check_defaults() -> None:
    """Check that the default sampler and pruner in the settings exist, and need no options.

    This cannot be done in the settings, which are read before Optuna may be imported.

    Raises:
        ImproperlyConfigured: One does not exist, and the message lists the valid names; or a
            study that names none could not be created.
    """
    for setting, registry in (("DEFAULT_SAMPLER", SAMPLERS), ("DEFAULT_PRUNER", PRUNERS)):
        name = getattr(settings, setting)
        if name not in registry:
            names = ", ".join(registry)
            raise ImproperlyConfigured(f"{setting} is {name!r}: expected one of {names}")
        for option, fault in registry[name].faults({}):
            detail = f"{setting} is {name!r}, whose option {option} has no default: {fault}"
            raise ImproperlyConfigured(f"{detail}. Choose another one")
