"""The projection of trials: Optuna's rows as queries over Django's tables."""
