"""Optuna's samplers, adapted to the service; `registry` lists them."""
