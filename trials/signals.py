"""The signals of trials: sent inside the transaction that writes them, so that a receiver's
error undoes the write.

They are sent within `pipelined()`: what a receiver reads is there, but how many rows a statement
of its own has changed (`rowcount`, hence `save()` of a stored row) is not known yet.
"""

from django.dispatch import Signal

# Provides: trials (list[Trial]): just inserted, all of one study; with_steps (bool): whether they
# have intermediate values.
trials_added = Signal()

# Provides: trials (list[Trial]): changed in place, all of one study; steps (list[int]): of the
# intermediate values that were added to them; with_params (bool): whether parameters were.
trials_changed = Signal()

# Provides: trial_ids (list[int]): of trials of one study, whose `study_attrs` were stored after
# they were added, and nothing else of them.
study_attrs_added = Signal()
