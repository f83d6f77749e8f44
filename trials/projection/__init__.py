"""Optuna's rows of trials, as queries over Django's tables."""
