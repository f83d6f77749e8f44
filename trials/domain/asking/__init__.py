"""Ask: plans and attempts to hand out trials, within the limits."""
