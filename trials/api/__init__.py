"""The REST API of trials."""
