"""Optuna's samplers as the service uses them; `registry` lists them."""
