"""Repeats of noisy objectives: their results, and how samplers see them."""
