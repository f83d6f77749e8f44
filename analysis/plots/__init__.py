"""Optuna's plots of a study, of a sample of trials that a browser can draw."""
