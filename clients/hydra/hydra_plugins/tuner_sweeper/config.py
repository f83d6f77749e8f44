"""The sweeper's configuration, `hydra/sweeper: tuner`."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class TunerSweeperConfig:
    """The keys of `hydra.sweeper`.

    Attributes:
        study: the name of the study.
        definition: keys of the API's `createStudy` but the search space: `direction`, budgets, …
        n_jobs: the trials of a batch, which the launcher runs as it runs the jobs of a sweep.
        params: the search space and fixed values, in the syntax of overrides; those of the command
            line replace them.
        worker_id: the name of this sweep; under a lasting name, it goes on with its last batch
            after a restart.
    """

    _target_: str = "hydra_plugins.tuner_sweeper.sweeper.TunerSweeper"
    study: str = "${hydra.job.name}"
    definition: dict[str, Any] = field(default_factory=dict)
    n_jobs: int = 1
    params: dict[str, str] = field(default_factory=dict)
    worker_id: str | None = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="tuner", node=TunerSweeperConfig, provider="tuner_sweeper"
)
