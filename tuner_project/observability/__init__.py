"""Observability: request ids, logs, metrics, and the time that the parts of some work take."""
