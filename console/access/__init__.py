"""Tokens, audit and failed logins in the admin."""
