"""Studies in the admin: to look at, to pause and resume, to clone, and to delete."""
