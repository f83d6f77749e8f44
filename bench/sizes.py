"""Sizes of the measurements."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Numbers of trials, where nothing else is said."""

    rounds: int
    trials: int  # of a throughput study
    workers: tuple[int, ...]  # that share them
    asked_at: tuple[int, ...]  # finished trials when an ask is measured over HTTP
    alone_at: tuple[int, ...]  # and of the sampler alone
    asks: int  # repetitions of a request
    turns: int  # of a request whose waits for the database are counted
    draws: int  # of the sampler alone
    gp_at: tuple[int, ...]  # finished trials when `gp` alone draws
    gp_draws: int
    small: int  # of two studies, the smaller
    large: int
    few: int  # studies in a list
    many: int  # studies in a longer list
    each: int  # in each of these
    spread: int  # of the studies that 16 workers share
    spread_told: int
    cold: int
    cold_starts: int
    memory: int


FULL = Sizes(
    rounds=3, trials=400, workers=(1, 4, 16), asked_at=(100, 300, 1000, 3000, 10_000),
    alone_at=(100, 1000, 5000, 10_000), gp_at=(20, 50, 100, 200),
    asks=40, turns=30, draws=15, gp_draws=9, small=1000, large=100_000, few=100, many=1000,
    each=200, spread=2000, spread_told=200, cold=20_000, cold_starts=5, memory=50_000,
)  # fmt: skip
QUICK = Sizes(
    rounds=1, trials=40, workers=(1, 4), asked_at=(100, 1000), alone_at=(100, 1000), gp_at=(20,),
    asks=5, turns=5, draws=3, gp_draws=1, small=300, large=2000, few=5, many=20, each=20,
    spread=100, spread_told=32, cold=1000, cold_starts=1, memory=3000,
)  # fmt: skip
