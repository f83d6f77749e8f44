"""Which trials are listed, and in which order."""
