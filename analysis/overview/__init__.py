"""What runs now, and what needs attention, among all studies; of bounded cost for any number."""
