"""The tuner service: ask and tell over Optuna, in PostgreSQL."""

__version__ = "0.1.0"
