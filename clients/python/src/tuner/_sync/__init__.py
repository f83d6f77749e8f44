"""The client with threads. `generate_sync.py` derives `tuner._sync` from it."""
