"""Trials that are added without an ask: queued, recorded, or taken from earlier studies."""
