"""Optuna's plots of a study, of no more than can be looked at."""
