"""The use cases of events and webhooks."""
