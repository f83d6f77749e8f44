"""What the service costs, measured against Optuna without it: `make bench`."""
