"""All code that depends on Optuna's internals: distributions, samplers, pruners and the storage.

It has no Django models, and is the only package that may use private names of Optuna.
"""
