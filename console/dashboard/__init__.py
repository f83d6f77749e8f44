"""Optuna's dashboard for staff users: it reads the schema `optuna` and writes nothing.

Its script requests absolute paths. The service serves these same paths, so that the package's
bundle needs no change.
"""
