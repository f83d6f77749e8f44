"""The admin's models, where Django looks for them: each module registers its own."""

from console import site  # noqa: F401
from console.access import audit_admin, token_admin  # noqa: F401
from console.studies import clone  # noqa: F401
from console.trials import trial_admin  # noqa: F401
