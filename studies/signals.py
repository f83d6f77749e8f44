"""The signals of studies, besides Django's own."""

from django.dispatch import Signal

# Arguments: study (Study): locked, with its new state and reason. Sent inside the transaction.
state_entered = Signal()
