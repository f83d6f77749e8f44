"""Optuna's Gaussian process sampler with a bounded cost: `sampler`, and its `acquisition`."""
