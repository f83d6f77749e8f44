"""Names under which Optuna and its samplers keep attributes of trials."""

# What is fixed of a trial that was enqueued.
FIXED_PARAMS = "fixed_params"

# What a sampler shares with other processes while it has stored but some of a trial's
# parameters. Ours are stored all at once, so that it is never needed.
TRANSIENT_ATTRIBUTES = ("tpe:relative_params", "gp:relative_params")
