"""Observability: request ids, logs, metrics, and a stopwatch for the parts of a piece of work."""
