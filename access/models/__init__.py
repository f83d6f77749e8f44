"""The models of tokens, rate limits and the audit log."""

from access.models.audit_entry import AuditEntry
from access.models.rate_limit import RateLimit
from access.models.token import Token

__all__ = ["AuditEntry", "RateLimit", "Token"]
