"""No ask takes more than 10 s or 400 MB, at the edges of what is accepted.

Measured are the seconds of the processor, since others may use the machine, and the memory above
that of an idle process and of the trials themselves. PyTorch, which gp loads, is included.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import pytest

from optuna_bridge.samplers.registry import SAMPLERS
from tests.accept.ask_cost import Size
from tests.support import ROOT

pytestmark = pytest.mark.accept

GP = [
    Size("gp", {"int": 1}, 100),
    Size("gp", {"int": 20, "small": 20}, 300),
    Size("gp", {"float": 20}, 2000, n_running=30),
    Size("gp", {"float": 20}, 20_000),
    Size("gp", {"categorical": 20}, 2000, n_running=30),
    Size("gp", {"categorical": 1000}, 1000),
    Size("gp", {"float": 1000}, 1000, n_running=30),
    Size("gp", {"float": 10}, 2000, n_objectives=2, n_running=30),
    Size("gp", {"float": 10}, 2000, n_objectives=3, n_running=30),
    Size("gp", {"float": 10}, 2000, n_objectives=4, n_running=30),
    Size("gp", {"categorical": 1000}, 200, n_objectives=4, n_constraints=1, n_running=30),
    Size("gp", {"float": 49}, 1000, n_constraints=100, n_running=30),
]
TPE = [
    Size("tpe", {"categorical": 200}, 2000),
    Size("tpe", {"categorical": 1000}, 5000, {"n_ei_candidates": 1000}),
    Size("tpe", {"float": 1000}, 20_000),
    Size("tpe", {"float": 100}, 20_000, {"n_ei_candidates": 1000}),
    Size("tpe", {"int": 1000}, 5000),
    Size("tpe", {"int": 20}, 20_000, {"n_ei_candidates": 1000}),
    Size("tpe", {"small": 1000}, 5000),
    Size("tpe", {"float": 1000}, 5000, {"multivariate": False}),
    Size("tpe", {"float": 200}, 20_000, {"group": True}),
    Size("tpe", {"float": 10}, 20_000, n_objectives=2),
    Size("tpe", {"float": 10}, 20_000, n_objectives=3),
    Size("tpe", {"float": 100}, 20_000, n_objectives=10),
]
OTHERS = [
    Size("random", {"categorical": 1000}, 5000),
    Size("nsgaii", {"categorical": 1000}, 5000),
    Size("nsgaii", {"float": 20}, 20_000, n_objectives=10),
    Size("nsgaii", {"float": 20}, 20_000, {"population_size": 2000}, n_objectives=10),
    Size("nsgaiii", {"float": 20}, 20_000, {"population_size": 2000}, n_objectives=10),
    Size(
        "nsgaiii",
        {"float": 20},
        5000,
        {"population_size": 2000, "dividing_parameter": 43},
        n_objectives=3,
    ),
    Size("cmaes", {"float": 10}, 10_000),
    Size("cmaes", {"float": 100}, 20_000),
    Size("cmaes", {"float": 100}, 20_000, {"popsize": 1000}),
    Size("cmaes", {"float": 100}, 20_000, {"popsize": 4, "lr_adapt": True}),
    Size("cmaes", {"small": 100}, 20_000, {"with_margin": True}),
    Size("cmaes", {"float": 1000}, 10_000, {"use_separable_cma": True}),
    Size("qmc", {"float": 1000}, 5000, {"scramble": True}),
    Size("qmc", {"categorical": 1000}, 5000, {"qmc_type": "halton", "scramble": True}),
]


@pytest.mark.parametrize("size", [*GP, *TPE, *OTHERS], ids=str)
def test_ask_is_bounded(size: Size, record_property: Any) -> None:
    if missing := SAMPLERS[size.sampler].missing:
        pytest.skip(missing)
    command = [sys.executable, "-m", "tests.accept.ask_cost", json.dumps(asdict(size))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    took = json.loads(done.stdout)
    record_property("found", f"{took['seconds']:.1f} s, {took['mb']:.0f} MB")
    assert took["seconds"] < 10
    assert took["mb"] < 400
