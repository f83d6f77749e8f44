"""All that knows Optuna's internals: distributions, samplers, pruners and the storage.

It has no Django models, and is the one package that may touch private names of Optuna.
"""
