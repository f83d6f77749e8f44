"""The API of the analyses."""
