"""What samplers and pruners see of a study, and how they are asked.

- `session`: the sampler of a study, and how it draws; `session_registry`: those of this process.
- `trial_cache`: what is known of the committed trials, and how it is brought up to date.
- `drafts`: trials that are drawn and not committed; `plan`: the drafts that an ask would hand out.
- `visited_points`: where a study avoids duplicates. `pruning`: how its pruner decides.
"""
