"""The signals of trials.

All but the last two are sent inside the transaction that writes the trials, so that a receiver's
error rolls the write back. They are sent within `pipelined()`: a receiver can read the written
rows, but the `rowcount` of its own statements is not known yet, so it cannot call `save()` on a
stored row.
"""

from django.dispatch import Signal

# Arguments: trials (list[Trial]): just inserted, all of one study; with_steps (bool): whether they
# have intermediate values; improving (list[Trial]): results among them that are the study's best
# now, or may be on its front, which the database knows.
trials_added = Signal(use_caching=True)

# Arguments: trials (list[Trial]): changed in place, all of one study; steps (list[int]): the steps
# of the added and replaced intermediate values; with_params (bool): whether parameters were added;
# was (list[str]): their states before; streak (FailureStreak): those that ended; improving
# (list[Trial]): as above, of groups the first trials.
trials_changed = Signal(use_caching=True)

# Arguments: trial_ids (list[int]): trials of one study whose `study_attrs`, and nothing else, were
# stored after the trials were added.
study_attrs_added = Signal()

# Arguments: study_id (int); keys (list[str]): those of the attributes that were removed.
study_attrs_removed = Signal()

# Arguments: study (Study): locked; change (SpaceChange): how its trials' parameters were changed.
space_changed = Signal()

# The following two are received by the metrics, which exist only in serving processes.

# Arguments: sampler (str); seconds (float): the duration; parts (dict[str, float]): seconds by
# part. Sent after an ask that handed out trials.
ask_measured = Signal(use_caching=True)

# Arguments: count (int): the number of trials that were failed because their leases had expired.
# Sent after the commit.
leases_expired = Signal()
