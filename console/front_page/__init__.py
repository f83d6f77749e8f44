"""The front page of the admin: what runs, what needs attention, and the latest studies."""
