"""Seeing inside: request ids, logs, metrics, and what the parts of an ask take."""
