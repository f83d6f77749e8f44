"""The environment of a program: what it is to evaluate, and where its answers go."""

import json
import os
from pathlib import Path

from tuner._async.trial import AsyncTrial


def environment_of(trial: AsyncTrial, reports: Path, result: Path) -> dict[str, str]:
    """Return the agent's environment with the variables of a trial.

    `TUNER_URL` and `TUNER_TOKEN` are those of the agent, wherever it has them from, so that the
    program can use the client as well.
    """
    settings = trial.study.transport.settings
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",  # else a pipe gets the output of Python at its end
        "TUNER_STUDY": trial.study.name,
        "TUNER_TRIAL": str(trial.trial_id),
        "TUNER_PARAMS": json.dumps(trial.params),
        "TUNER_STEP": str(trial.next_step),
        **{f"TUNER_REPEAT_{key.upper()}": str(n) for key, n in (trial.repeat or {}).items()},
        "TUNER_REPORTS": str(reports),
        "TUNER_RESULT": str(result),
        "TUNER_URL": settings.url,
        **({"TUNER_TOKEN": settings.token} if settings.token else {}),
    }
