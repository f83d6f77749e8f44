"""What an agent is to do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.agent.command import Command

DEFAULT_LEASE = 120.0  # where the study has none: an agent renews it, whatever the program does
DEFAULT_GRACE = 30.0
DEFAULT_MAX_FAILURES = 3


@dataclass(frozen=True)
class Options:
    """The options of `tuner agent`.

    Attributes:
        command: to run for each trial.
        n_slots: how many at a time.
        metric: finds the result in the output, where the program writes none.
        n_trials: how many trials to start; None for any number.
        timeout: seconds after which none is started; None for any time.
        lease_seconds: of the trials; None for the study's.
        grace: seconds between SIGTERM and SIGKILL.
        max_failures: failures in a row, within a minute, that end the agent; 0 for any number.
        wait_while_paused: False ends the agent when the study is paused.
        fixed: values of parameters that the trials have.
    """

    command: Command
    n_slots: int = 1
    metric: "re.Pattern[str] | None" = None
    n_trials: int | None = None
    timeout: float | None = None
    lease_seconds: float | None = None
    grace: float = DEFAULT_GRACE
    max_failures: int = DEFAULT_MAX_FAILURES
    wait_while_paused: bool = True
    fixed: Mapping[str, Any] = field(default_factory=dict)
