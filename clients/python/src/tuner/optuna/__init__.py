"""A real `optuna.Study` whose trials come from the service, for programs that insist on one.

An objective needs none of it: `tuner.Study.optimize` takes it as it is. `docs/optuna.md` describes
both ways.

Example:
    study = tuner.optuna.connect(tuner.Client().get_study("demo"))
    search = OptunaSearchCV(SVC(), distributions, study=study, n_trials=50)
"""

try:
    import optuna
except ImportError as missing:
    raise ImportError('tuner.optuna needs Optuna: pip install "tuner-client[optuna]"') from missing

from tuner._sync.study import Study
from tuner.optuna.sampler import RemotePruner, RemoteSampler

__all__ = ["RemotePruner", "RemoteSampler", "connect"]


def connect(study: Study) -> optuna.Study:
    """Return a local study, in memory, whose trials come from the service.

    It knows the trials of this process only, by numbers of its own; `study.best` is the best one of
    all workers.

    Args:
        study: of the service, which must exist.
    """
    return optuna.create_study(
        study_name=study.name,
        directions=[optuna.study.StudyDirection(direction) for direction in study.directions],
        sampler=RemoteSampler(study),
        pruner=RemotePruner(),
    )
