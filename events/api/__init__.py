"""The endpoints of events and webhooks."""
