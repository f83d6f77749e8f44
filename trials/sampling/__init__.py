"""Samplers and pruners in this process, and the trials that they read.

- `session`: the sampler and the pruner of a study; `session_registry`: the process's sessions.
- `trial_cache`: the committed trials in memory, and how they are kept up to date.
- `drafts`: trials that are drawn but not committed; `plan`: the drafts that an ask will hand out.
- `visited_points`: the points to avoid, if a study avoids duplicates.
- `pruning`: how a study's pruner decides.
"""
