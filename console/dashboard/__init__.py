"""Optuna's dashboard for the staff: it reads the schema `optuna`, and writes nothing.

Its browser code asks for absolute paths, which are kept, so that its bundle stays as it comes.
"""
