"""Links that share a study."""
