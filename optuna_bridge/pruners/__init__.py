"""Pruners: a registry, how one is asked, and the intermediate values that it reads."""
