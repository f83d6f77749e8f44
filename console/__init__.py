"""The web pages: the admin with its templates and scripts, and Optuna's dashboard."""
