"""Read-only answers about a study: best, Pareto front, importance, plots, progress, advice."""
