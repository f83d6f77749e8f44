"""Optuna's CMA-ES sampler without pickles: `sampler`, and its `optimizer`."""
