"""Read-only analyses of a study: best, Pareto front, importance, plots, progress, advice."""
