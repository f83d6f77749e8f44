"""The Django app of trials: ask, report, tell, queue, leases."""
