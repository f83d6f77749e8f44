"""The SQL statements that write trials; only `Trial.objects` runs them."""
