"""The use cases of tokens, and the audit log."""
