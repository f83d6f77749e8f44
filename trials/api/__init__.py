"""The API of trials."""
