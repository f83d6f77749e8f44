"""Sequential asks of a seeded study give the same points, whichever process answers."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from django.db import transaction

from studies.models import Study
from tests.support import ROOT
from tests.support.database import call_and_close_connection, wait_for_lock_waiters
from tests.support.optuna_oracle import optuna_url
from tests.support.study_builders import (
    ask_trial,
    build_study,
    internal_params_of,
    named,
    tell_trial,
)
from trials.domain.asking import ask
from trials.models import Trial
from trials.sampling.session_registry import SessionRegistry, session_registry

pytestmark = pytest.mark.django_db(transaction=True)

SPACE = [
    {"type": "float", "name": "x", "low": -5.0, "high": 5.0},
    {"type": "int", "name": "n", "low": 1, "high": 100, "log": True},
    {"type": "categorical", "name": "kind", "choices": ["a", "b", "c"]},
]
OPTIONS: dict[str, dict[str, Any]] = {
    "auto": {},
    "tpe": {"n_startup_trials": 4},
    "gp": {"n_startup_trials": 4},
    "nsgaii": {"population_size": 4},
    "nsgaiii": {"population_size": 4},
    "cmaes": {"popsize": 4},
    "random": {},
    "grid": {},
    "qmc": {"scramble": True},
}
ASKS = {"gp": 6, "auto": 8}
SAMPLERS = list(OPTIONS)


def seeded(sampler: str, seed: int | None = 7) -> Study:
    return build_study(
        "seeded",
        space=SPACE,
        sampler=sampler,
        sampler_options=OPTIONS[sampler] | ({} if seed is None else {"seed": seed}),
        pruner="none",
        direction="minimize",
    )


def tell_squares(study: Study, trial: Trial) -> None:
    tell_trial(study, trial.number, float(trial.params["x"]) ** 2)


def play(study: Study, n: int, before_each=lambda: None) -> list[list[float | None]]:
    trials = []
    for _ in range(n):
        before_each()
        trials.append(ask_trial(study))
        tell_squares(study, trials[-1])
    return internal_params_of(trials)


def again(sampler: str, seed: int | None = 7) -> Study:
    """The same study, from its start and in a process that knows nothing of it."""
    Study.objects.all().delete()
    session_registry.clear()
    return seeded(sampler, seed)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_seeded_study_repeats_itself(sampler, monkeypatch):
    n = ASKS.get(sampler, 12)
    once = play(seeded(sampler), n)
    assert len({tuple(point) for point in once}) > n // 2
    assert play(again(sampler), n) == once

    # A restart before each ask.
    assert play(again(sampler), n, before_each=session_registry.clear) == once

    # Two processes in turn.
    study, registries = again(sampler), [SessionRegistry(), SessionRegistry()]

    def next_process() -> None:
        registries.reverse()
        monkeypatch.setattr(ask, "session_registry", registries[0])

    assert play(study, n, before_each=next_process) == once


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii"])
def test_another_seed_gives_other_points(sampler):
    once = play(seeded(sampler), 3)
    assert play(again(sampler, seed=8), 3) != once


def test_unseeded_study_does_not_repeat_itself():
    once = play(seeded("random", seed=None), 3)
    assert play(again("random", seed=None), 3) != once


IN_A_PROCESS = """
import json, sys
import django
django.setup()
from django.db import connection
from tests.support.study_builders import ask_trial
from tests.trials.sampling.test_seeds import tell_squares
from studies.models import Study
study = Study.objects.get(name="seeded")
for line in sys.stdin:
    trial = ask_trial(study)
    tell_squares(study, trial)
    print(json.dumps(trial.internal_params), flush=True)
connection.close_pool()
"""


def start_process() -> subprocess.Popen[str]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tuner_project.settings",
        "DATABASE_URL": optuna_url("public").replace("postgresql+psycopg:", "postgresql:"),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-c", IN_A_PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def test_processes_in_turn_give_the_points_of_one():
    once = play(seeded("tpe"), 12)
    again("tpe")
    processes = [start_process(), start_process()]
    found = []
    try:
        for number in range(12):
            process = processes[number % 2]
            assert process.stdin is not None
            assert process.stdout is not None
            print("ask", file=process.stdin, flush=True)
            found.append(json.loads(process.stdout.readline()))
    finally:
        for process in processes:
            process.communicate(timeout=20)
    assert [process.returncode for process in processes] == [0, 0]
    assert found == once


def test_ask_that_lost_its_number_samples_again():
    study = seeded("random")
    in_sequence = internal_params_of([ask_trial(study) for _ in range(3)])

    study = again("random")
    first = ask_trial(study)
    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            named(study).locked()
            late = pool.submit(call_and_close_connection, ask_trial, study)
            wait_for_lock_waiters(1)  # it has drawn for number 1, which this transaction takes
            second = ask_trial(study)
        third = late.result(20)
    assert [trial.number for trial in (first, second, third)] == [0, 1, 2]
    assert internal_params_of([first, second, third]) == in_sequence


def test_states_of_seeds_and_numbers_do_not_collide():
    """What `reseed` feeds the generators, for 20,000 pairs."""
    pairs = [(seed, number) for seed in (0, 1, 2, 7, 2**32 - 1) for number in range(4_000)]
    states = {np.random.SeedSequence(pair).generate_state(4).tobytes() for pair in pairs}
    assert len(states) == len(pairs)


@pytest.mark.parametrize("qmc_type", ["sobol", "halton"])
def test_scrambled_qmc_without_a_seed_stores_one(qmc_type):
    options = {"scramble": True, "qmc_type": qmc_type}
    studies = [
        build_study(name, space=SPACE, sampler="qmc", sampler_options=options) for name in "ab"
    ]
    seeds = [Study.objects.get(name=name).sampler_options["seed"] for name in "ab"]
    assert all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)
    assert seeds[0] != seeds[1]
    sequences = [play(study, 6, before_each=session_registry.clear)[1:] for study in studies]
    assert sequences[0] != sequences[1]
    assert len({tuple(point) for point in sequences[0]}) == 5


def test_qmc_without_scrambling_stores_no_seed():
    study = build_study("plain", space=SPACE, sampler="qmc")
    assert study.sampler_options["seed"] is None
