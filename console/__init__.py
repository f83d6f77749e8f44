"""What people see: the admin's pages, their templates and scripts, and Optuna's dashboard."""
