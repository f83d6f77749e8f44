"""What can be done with tokens, and the audit."""
