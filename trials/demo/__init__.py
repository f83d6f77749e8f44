"""Demo studies, with finished, pruned, failed, retried and running trials as real ones have."""

from trials.demo.catalogue import DEMOS, Demo
from trials.demo.seeding import seed_demo

__all__ = ["DEMOS", "Demo", "seed_demo"]
