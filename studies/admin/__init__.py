"""Studies in the admin: to look at, to pause and resume, and to delete.

`trials.admin` registers them, with what needs their trials.
"""
