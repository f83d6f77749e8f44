"""What the apps tell of their work. The metrics receive it where there are any: when serving."""

from django.dispatch import Signal

# sampler: str; seconds: float; parts: dict[str, float], in seconds. An ask that handed out trials.
ask_measured = Signal(use_caching=True)

# count: int. Trials ended because their leases had run out, committed.
leases_expired = Signal()
