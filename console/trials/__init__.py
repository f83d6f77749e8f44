"""Trials in the admin: to look at, and to export as CSV."""
