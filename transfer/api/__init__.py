"""The API of export, import and clone."""
