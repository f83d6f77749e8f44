"""The programs of docs/optuna.md, and more of their kind, in environments of their own."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.support import ROOT
from tests.support.service import Service, running_service

pytestmark = pytest.mark.accept

SECONDS = 600
CLIENT = ROOT / "clients/python"
CALLBACKS = "optuna-integration>=5,<6"
BOOSTING = [CALLBACKS, "scikit-learn>=1.9,<2", "pandas", "lightgbm>=4.7,<5", "xgboost-cpu>=3,<4"]
TORCH = ["torch==2.13.0"]  # installed first: what depends on it takes any build
TRAINING = [CALLBACKS, "lightning>=2.6,<3", "transformers>=5,<6", "accelerate>=1", "keras>=3.15,<4"]

Run = Callable[..., str]
Create = Callable[..., tuner.Study]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service
        service.check_optuna()


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[tuner.Client]:
    with tuner.Client(f"http://127.0.0.1:{service.port}") as client:
        yield client


def environment(folder: Path, *packages: Sequence[str]) -> Path:
    """Make a virtual environment with the client of this checkout, and other packages."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    for each in [*packages, [f"{CLIENT}[optuna]"]]:
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *each], check=True, timeout=1800)
    return folder / "bin"


@pytest.fixture(scope="module")
def boosting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("boosting"), BOOSTING)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("training"), TORCH, TRAINING)


@pytest.fixture
def run(service: Service, tmp_path: Path) -> Run:
    """Runs a program of the document or of `optuna_tools`; returns what it prints."""
    shutil.copytree(ROOT / "tests/accept/optuna_tools", tmp_path, dirs_exist_ok=True)
    text = (ROOT / "docs/optuna.md").read_text()
    for name, program in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(program)
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        "TUNER_URL": f"http://127.0.0.1:{service.port}",
        "KERAS_BACKEND": "torch",
    }

    def run_one(*command: object, fails: bool = False) -> str:
        done = subprocess.run(
            [str(word) for word in command], cwd=tmp_path, env=env, timeout=SECONDS, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout[-5000:]
        return done.stdout

    return run_one


@pytest.fixture
def create(client: tuner.Client) -> Iterator[Create]:
    """Creates a study that evaluates a good value of its parameter, a bad one, and another one."""
    names = []

    def create_one(name: str, parameter: str, good: float, bad: float, **more: Any) -> tuner.Study:
        names.append(name)
        study = client.create_study(
            name, sampler="random", pruner="median", max_trials=3,
            pruner_options={"n_startup_trials": 1, "n_warmup_steps": 0}, **more,
        )  # fmt: skip
        study.enqueue_all([{parameter: good}, {parameter: bad}])
        return study

    yield create_one
    for name in names:
        client.delete_study(name)


def check_pruned(study: tuner.Study, steps: Sequence[int]) -> None:
    """Check that the good trial completed, and that the bad one was pruned before its last step."""
    good, bad, last = study.trials()
    assert [good.state, bad.state, study.refresh().state] == ["COMPLETE", "PRUNED", "COMPLETED"]
    assert last.state in {"COMPLETE", "PRUNED"}
    reported = bad.intermediate_values or {}
    assert list(good.intermediate_values or {}) == list(steps)
    assert 0 < len(reported) < len(steps)
    assert list(reported) == list(steps[: len(reported)])
    assert bad.value == list(reported.values())[-1]


RATE = {"learning_rate": tuner.Float(1e-5, 0.3, log=True)}


def test_callback_for_lightgbm_prunes(boosting: Path, run: Run, create: Create) -> None:
    study = create("boosting", "learning_rate", 0.1, 1e-5, direction="maximize", space=RATE)
    run(boosting / "python", "boosting.py")
    check_pruned(study, range(30))


def test_callback_for_xgboost_prunes(boosting: Path, run: Run, create: Create) -> None:
    study = create("xgboost", "learning_rate", 0.1, 1e-5, direction="minimize", space=RATE)
    run(boosting / "python", "xgboost_objective.py")
    check_pruned(study, range(30))


def test_documented_objective_creates_its_study(
    boosting: Path, run: Run, client: tuner.Client
) -> None:
    run(boosting / "python", "objective.py")
    study = client.get_study("objective")
    assert study.space == {"x": tuner.Float(-10, 10)}
    assert [(each.state, each.value) for each in study.trials()] == [
        ("COMPLETE", (each.params["x"] - 2) ** 2) for each in study.trials()
    ]
    assert len(study.trials()) == 20


def test_search_of_scikit_learn_evaluates_the_trials_of_the_service(
    boosting: Path, run: Run, client: tuner.Client
) -> None:
    printed = run(boosting / "python", "search.py")
    study = client.get_study("search")
    trials = study.trials()
    assert [each.state for each in trials] == ["COMPLETE"] * 20
    assert all(each.value == (each.user_attrs or {})["mean_test_score"] for each in trials)
    assert printed.splitlines()[-1] == f"{study.best.params} {study.best}"


def test_search_of_transformers_evaluates_the_trials_of_the_service(
    training: Path, run: Run, create: Create
) -> None:
    space = {"learning_rate": tuner.Float(1e-6, 1e-2, log=True)}
    study = create("transformers", "learning_rate", 1e-2, 1e-6, direction="minimize", space=space)
    run(training / "python", "transformers_search.py")
    check_pruned(study, [4, 8, 12])


def test_callback_for_keras_prunes(training: Path, run: Run, create: Create) -> None:
    space = {"learning_rate": tuner.Float(1e-6, 0.3, log=True)}
    study = create("keras", "learning_rate", 0.1, 1e-6, direction="minimize", space=space)
    run(training / "python", "keras_objective.py")
    check_pruned(study, range(3))


OFFSET = {"offset": tuner.Float(0, 10)}


@pytest.mark.parametrize(("strategy", "n_ranks"), [("auto", 1), ("ddp_spawn", 2)])
def test_objective_with_lightning_prunes(
    training: Path, run: Run, create: Create, strategy: str, n_ranks: int
) -> None:
    study = create("lightning", "offset", 0, 9, direction="minimize", space=OFFSET)
    run(training / "python", "lightning_objective.py", strategy, n_ranks)
    check_pruned(study, range(3))


def test_ranks_of_lightning_evaluate_the_same_trials(
    training: Path, run: Run, create: Create
) -> None:
    study = create("lightning", "offset", 0, 9, direction="minimize", space=OFFSET)
    run(training / "torchrun", "--nproc-per-node", 2, "ranks.py")
    check_pruned(study, range(3))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["python", "ranks.py"], "the ranks must exist before the first trial"),
        (
            ["torchrun", "--nproc-per-node", 2, "lightning_objective.py", "ddp", 2],
            "ConfigurationError: rank 0 evaluates trial",
        ),
    ],
)
def test_ranks_of_different_trials_are_refused(
    training: Path, run: Run, create: Create, command: list[object], why: str
) -> None:
    study = create("lightning", "offset", 0, 9, direction="minimize", space=OFFSET)
    assert why in run(training / str(command[0]), *command[1:], fails=True)
    assert study.trials(state="COMPLETE") == []
