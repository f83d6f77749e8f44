"""The command line `tuner`."""
