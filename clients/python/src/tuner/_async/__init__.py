"""The client with asyncio. `generate_sync.py` derives `tuner._sync` from it."""
