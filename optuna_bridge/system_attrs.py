"""Names of the system attributes that Optuna and its samplers set on trials."""

# The fixed parameters of an enqueued trial.
FIXED_PARAMS = "fixed_params"

# Attributes by which a sampler shares a trial's parameters with other processes while only some
# of them are stored. This service stores all parameters at once and does not need them.
TRANSIENT_ATTRIBUTES = ("tpe:relative_params", "gp:relative_params")
