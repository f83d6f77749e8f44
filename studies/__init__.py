"""The Django app of studies: what is to be optimised."""
