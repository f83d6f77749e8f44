"""Who may do what: tokens, scopes, limits and the audit."""
