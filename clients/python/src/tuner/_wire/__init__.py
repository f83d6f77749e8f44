"""Requests and answers: what the clients for threads and asyncio share."""
