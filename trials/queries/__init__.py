"""Queries of the list of trials: filters, ordering and pages."""
