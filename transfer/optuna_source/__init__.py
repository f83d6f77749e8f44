"""Stock Optuna's studies, read as the lines of an exported file."""
