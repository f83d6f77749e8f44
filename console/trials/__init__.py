"""Trials in the admin: list, page and export as CSV."""
