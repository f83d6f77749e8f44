"""Tokens, the audit log and failed logins in the admin."""
