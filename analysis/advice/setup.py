"""Advice on how a study is set up."""

from collections.abc import Iterator, Mapping

from analysis.advice.evidence import FEW, Advice, Evidence

# How many trials a sampler is for, as Optuna recommends:
# https://optuna.readthedocs.io/en/stable/reference/samplers/index.html
BUDGETS: Mapping[str, tuple[int, int]] = {
    "tpe": (100, 1000),
    "gp": (10, 500),
    "nsgaii": (100, 10_000),
}


def too_many_running(evidence: Evidence) -> Iterator[Advice]:
    study = evidence.study
    known = study.n_complete + study.n_pruned
    most = {
        "tpe": max(FEW, known),
        "gp": max(FEW, known // 2),
        "nsgaii": study.sampler_options.get("population_size"),
    }.get(study.sampler)
    if most is not None and study.n_running > most:
        yield Advice(
            "too_many_running",
            f"{study.n_running:,} trials run at once, while {known:,} have come out: the sampler "
            f"{study.sampler} knows little when it suggests the next one. Up to {most:,} would "
            "learn more from each trial.",
        )


def large_for_gp(evidence: Evidence) -> Iterator[Advice]:
    study = evidence.study
    if study.sampler == "gp" and study.n_complete > BUDGETS["gp"][1]:
        yield Advice(
            "gp_is_slow",
            f"{study.n_complete:,} trials have completed: beyond 500 an ask of the sampler gp "
            "takes seconds and more. A clone with tpe goes on from here.",
        )


def budget_beside_the_sampler(evidence: Evidence) -> Iterator[Advice]:
    study = evidence.study
    if study.max_trials is None or study.sampler not in BUDGETS:
        return
    low, high = BUDGETS[study.sampler]
    if not low <= study.max_trials <= high:
        yield Advice(
            "budget_outside_range",
            f"max_trials is {study.max_trials:,}; the sampler {study.sampler} is for {low:,} to "
            f"{high:,} trials.",
        )


def budget_beyond_the_space(evidence: Evidence) -> Iterator[Advice]:
    study = evidence.study
    n_points = study.points.n
    if study.max_trials is not None and n_points is not None and study.max_trials > n_points:
        yield Advice(
            "budget_exceeds_space",
            f"max_trials is {study.max_trials:,}, and the search space has {n_points:,} points: "
            "some would be tried twice.",
        )
