"""The projection of a changed search space into Optuna's rows of all trials of a study."""

from optuna_bridge.space.changes import SpaceChange
from optuna_bridge.storage import SCHEMA
from optuna_bridge.system_attrs import FIXED_PARAMS
from studies.models import Study
from trials.projection.trial_rows import PARAMS, SPACE_OF_STUDY, STORED_PARAMS
from tuner_project.db.prepared import run

# Stock Optuna wants the same choices in all trials, so all get the distributions of now. A value in
# between moves the index of those behind it.
_UPDATE_CHANGED = f"""
{SPACE_OF_STUDY.format(study="%(study)s")}
UPDATE {SCHEMA}.{PARAMS.name} AS o
   SET distribution_json = p.distribution, param_value = t.internal_params[p.position]
  FROM p, trials_trial AS t
 WHERE t.study_id = %(study)s AND o.trial_id = t.id AND o.param_name = p.name
   AND o.distribution_json <> p.distribution
"""
_INSERT_ADDED = f"""
{SPACE_OF_STUDY.format(study="%(study)s")}
INSERT INTO {SCHEMA}.{PARAMS.name} ({", ".join(PARAMS.columns)})
{STORED_PARAMS.format(where="t.study_id = %(study)s AND p.position > %(n_before)s")}
"""
_UPDATE_FIXED = f"""
UPDATE {SCHEMA}.trial_system_attributes AS o
   SET value_json = (t.system_attrs->'{FIXED_PARAMS}')::text
  FROM trials_trial AS t
 WHERE t.study_id = %(study)s AND t.state = 'WAITING' AND o.trial_id = t.id
   AND o.key = '{FIXED_PARAMS}'
"""


def change_space_rows(study: Study, change: SpaceChange) -> None:
    """Update Optuna's rows of the parameters of all trials of a study."""
    run(_UPDATE_CHANGED, {"study": study.id})
    if change.defaults:
        n_before = len(change.stored) - len(change.defaults)
        run(_INSERT_ADDED, {"study": study.id, "n_before": n_before})
        if study.n_waiting:
            run(_UPDATE_FIXED, {"study": study.id})
