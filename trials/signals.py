"""The signals of trials: sent inside the transaction that writes them, so that a receiver's
error undoes the write."""

from django.dispatch import Signal

# Provides: trials (list[Trial]): just inserted, all of one study.
trials_added = Signal()

# Provides: trials (list[Trial]): changed in place, all of one study. Intermediate values may
# have been added to them.
trials_changed = Signal()
