"""Production settings pass Django's deployment check."""

import json
import os
import subprocess
import sys

from tests.support import ROOT

PRODUCTION = {
    "DATABASE_URL": "postgresql://tuner@127.0.0.1:1/away",
    "SECRET_KEY": "0123456789abcdef" * 4,
    "ALLOWED_HOSTS": "tuner.example.org",
    "TRUSTED_PROXIES": "1",
    "AUTH_REQUIRED": "true",
}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=os.environ | PRODUCTION | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def check(**variables: str) -> subprocess.CompletedProcess[str]:
    return run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **variables)


def test_deployment_check_finds_nothing() -> None:
    done = check(HTTPS="true")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


def test_deployment_check_warns_of_missing_https() -> None:
    done = check()
    assert done.returncode == 1
    assert done.stderr.count("WARNINGS:") == 1
    assert done.stderr.count("(tuner.W003)") == 1
    assert done.stderr.count("?: (") == 1


ASK = """
import json, sys
import django
django.setup()
from django.test import Client
answers = []
for path, forwarded in json.loads(sys.argv[1]):
    response = Client().get(path, headers=forwarded | {"Host": "tuner.example.org"})
    answers.append([response.status_code, dict(response.headers)])
print(json.dumps(answers))
"""


def test_plain_http_is_redirected_except_for_probes() -> None:
    https = {"X-Forwarded-Proto": "https"}
    questions = [
        ("/api/v1/docs", {}),
        ("/admin/login/", {"X-Forwarded-Proto": "http"}),
        ("/api/v1/health", {}),
        ("/api/v1/ready", {}),
        ("/api/v1/docs", https),
    ]
    done = run("-c", ASK, json.dumps(questions), HTTPS="true", HSTS_SECONDS="77",
               DJANGO_SETTINGS_MODULE="tuner_project.settings")  # fmt: skip
    assert done.returncode == 0, done.stderr
    plain, form, health, ready, docs = json.loads(done.stdout)

    assert (plain[0], plain[1]["Location"]) == (301, "https://tuner.example.org/api/v1/docs")
    assert form[0] == 301
    assert (health[0], ready[0]) == (200, 503)
    assert docs[0] == 200
    assert docs[1]["Strict-Transport-Security"] == "max-age=77"
    assert "Strict-Transport-Security" not in health[1]
