"""What a worker is and does: what the clients for threads and asyncio share."""
