"""Conversion of stock Optuna's studies to the lines of an exported file."""
