"""The command that ends trials whose lease expired."""

import os
import signal
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from tests.support import ROOT
from tests.support.api_client import create_study, list_trials, suggest
from tests.support.database import move_leases_into_past
from tests.support.optuna_oracle import optuna_url

SECONDS_TO_STOP = 30

pytestmark = pytest.mark.usefixtures("both_schemas_agree")


def expire_trials(*arguments: str) -> str:
    written = StringIO()
    call_command("expire_trials", *arguments, stdout=written)
    return written.getvalue()


def test_expired_trials_are_ended_and_named(api: APIClient) -> None:
    create_study(api, sampler="random", lease_seconds=60, max_retries=1)
    suggest(api), suggest(api, lease_seconds=None)
    assert expire_trials() == ""
    move_leases_into_past()
    assert expire_trials() == 'study "search": trial 0 expired, tried again as trial 2\n'
    suggest(api)
    move_leases_into_past()
    assert expire_trials() == 'study "search": trial 2 expired\n'
    assert [trial["state"] for trial in list_trials(api)] == ["FAIL", "RUNNING", "FAIL"]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "86401", "x"])
def test_invalid_arguments_are_refused(db: None, seconds: str) -> None:
    with pytest.raises(CommandError, match="--every"):
        expire_trials(f"--every={seconds}")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_repeats_until_terminated(api: APIClient, number: signal.Signals) -> None:
    create_study(api, sampler="random", lease_seconds=60)
    command = subprocess.Popen(
        [sys.executable, "manage.py", "expire_trials", "--every", "0.05"],
        cwd=ROOT,
        env=os.environ
        | {"DATABASE_URL": optuna_url("public").replace("postgresql+psycopg:", "postgresql:")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert command.stdout is not None
        for trial_id in range(2):  # not all in its first round
            suggest(api)
            move_leases_into_past()
            line = f'study "search": trial {trial_id} expired\n'
            assert command.stdout.readline() == line
        command.send_signal(number)
        assert command.wait(SECONDS_TO_STOP) == 0
    finally:
        command.kill()
        command.communicate()
