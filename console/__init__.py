"""The web pages for people: the admin with its templates and scripts, and Optuna's dashboard."""
