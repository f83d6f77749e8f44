"""Client of the tuner service: hyperparameter optimisation by ask and tell.

Example:
    import tuner

    space = {"x": tuner.Float(-10, 10)}
    study = tuner.Client().create_study("demo", direction="minimize", space=space, max_trials=50)
    for trial in study.loop():
        with trial:
            trial.complete((trial.params["x"] - 2) ** 2)
    print(study.best)
"""

from typing import TYPE_CHECKING, Any

from tuner._async.client import AsyncClient
from tuner._async.study import AsyncStudy
from tuner._async.trial import AsyncTrial
from tuner._sync.client import Client
from tuner._sync.study import Study
from tuner._sync.trial import Trial
from tuner.answers import (
    Best,
    Event,
    FrozenTrial,
    HeartbeatReply,
    Importance,
    ParetoTrial,
    Progress,
    ReportReply,
    SearchSpaceVersion,
    Share,
    StudyInfo,
    Webhook,
)
from tuner.direction import Direction
from tuner.errors import (
    ApiError,
    Busy,
    ConfigurationError,
    ConnectionFailed,
    FieldError,
    FixedValuesExhausted,
    Forbidden,
    Invalid,
    LeaseLost,
    NotFound,
    NotHolder,
    SpaceMismatch,
    StudyEnded,
    StudyPaused,
    StudyReplaced,
    StudyStopped,
    TellFailed,
    TunerError,
)
from tuner.space import Categorical, Float, Int, Ordinal
from tuner.version import __version__

if TYPE_CHECKING:
    from tuner.pruned import Pruned as Pruned

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncStudy",
    "AsyncTrial",
    "Best",
    "Busy",
    "Categorical",
    "Client",
    "ConfigurationError",
    "ConnectionFailed",
    "Direction",
    "Event",
    "FieldError",
    "FixedValuesExhausted",
    "Float",
    "Forbidden",
    "FrozenTrial",
    "HeartbeatReply",
    "Importance",
    "Int",
    "Invalid",
    "LeaseLost",
    "NotFound",
    "NotHolder",
    "Ordinal",
    "ParetoTrial",
    "Progress",
    "Pruned",
    "ReportReply",
    "SearchSpaceVersion",
    "Share",
    "SpaceMismatch",
    "Study",
    "StudyEnded",
    "StudyInfo",
    "StudyPaused",
    "StudyReplaced",
    "StudyStopped",
    "TellFailed",
    "Trial",
    "TunerError",
    "Webhook",
    "__version__",
]


if not TYPE_CHECKING:  # else any name would be one

    def __getattr__(name: str) -> Any:
        """Import `Pruned` on first use, since it imports Optuna where that is installed."""
        if name == "Pruned":
            from tuner.pruned import Pruned

            return Pruned
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
