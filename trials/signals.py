"""The signals of trials.

`trials_added` and `trials_changed` are sent inside the transaction that writes them, so that a
receiver's error undoes the write. They are sent within `pipelined()`: what a receiver reads is
there, but how many rows a statement of its own has changed (`rowcount`, hence `save()` of a stored
row) is not known yet.
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

# The metrics receive the following two, where there are any: in serving processes.

# Provides: sampler (str); seconds (float); parts (dict[str, float]), in seconds. Sent after an ask
# that handed out trials.
ask_measured = Signal(use_caching=True)

# Provides: count (int): trials that were ended because their leases had run out. Sent after the
# commit.
leases_expired = Signal()
