"""Sending messages to webhooks: what is due, the message, its signature, the connection."""
