"""Optuna's dashboard for staff users: it reads the schema `optuna` and writes nothing.

Its script requests absolute paths. They are served as they are, so that the package's bundle needs
no change.
"""
