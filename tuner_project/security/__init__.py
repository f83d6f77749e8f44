"""Logins, content security policies, client addresses, system checks."""
