"""Where a client finds the service, and what `import tuner` brings."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import tuner

NO_INPUT = "import tuner, sys; sys.stdin = None; tuner.Client()"


def test_arguments_precede_variables_and_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(os.environ["TUNER_CONFIG"])
    file.write_text('url = "https://file.example"\ntoken = "of-the-file"\n')
    assert tuner.Client().transport.settings == ("https://file.example", "of-the-file")
    monkeypatch.setenv("TUNER_TOKEN", "of-the-variable")
    assert tuner.Client().transport.settings == ("https://file.example", "of-the-variable")
    monkeypatch.setenv("TUNER_URL", "http://variable.example/api/v1/")
    assert tuner.Client().transport.settings == ("http://variable.example", "of-the-variable")
    client = tuner.Client("http://argument.example", "of-the-argument")
    assert client.transport.settings == ("http://argument.example", "of-the-argument")


def test_token_of_the_file_is_for_the_url_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(os.environ["TUNER_CONFIG"]).write_text('url = "https://file.example"\ntoken = "t"\n')
    monkeypatch.setenv("TUNER_URL", "http://other.example")
    assert tuner.Client().transport.settings == ("http://other.example", None)


def test_missing_url_says_what_to_do() -> None:
    with pytest.raises(tuner.ConfigurationError, match="set TUNER_URL, run `tuner login`, or"):
        tuner.Client()


def test_missing_url_asks_nothing_on_the_standard_input() -> None:
    environment = {**os.environ, "PYTHONPATH": "clients/python/src"}
    done = subprocess.run(
        [sys.executable, "-c", NO_INPUT], env=environment, capture_output=True, timeout=60,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the address of the service is not known" in done.stderr


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "http://", "http://a?b=c"])
def test_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(tuner.ConfigurationError, match="is not the address of a service"):
        tuner.Client(url)


def test_broken_file_is_named() -> None:
    file = Path(os.environ["TUNER_CONFIG"])
    file.write_text("url = ")
    with pytest.raises(tuner.ConfigurationError, match=f"{file} cannot be read"):
        tuner.Client()


def test_client_can_be_pickled() -> None:
    client = pickle.loads(pickle.dumps(tuner.Client("http://a.example", "t", worker_id="w")))
    assert client.transport.settings == ("http://a.example", "t")
    assert client.worker_id == "w"


def test_import_brings_neither_optuna_nor_torch_nor_pandas() -> None:
    program = (
        "import sys, tuner; tuner.Client('http://a.example'); "
        "print(sorted({'optuna', 'torch', 'numpy', 'pandas', 'tqdm', 'yaml'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": "clients/python/src"}
    printed = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert printed == "[]\n"


def test_pruned_stands_alone_without_optuna() -> None:
    program = (
        "import sys; sys.modules['optuna'] = None; sys.modules['optuna.exceptions'] = None; "
        "import tuner; print(tuner.Pruned.__mro__[2].__name__)"
    )
    environment = {**os.environ, "PYTHONPATH": "clients/python/src"}
    printed = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert printed == "Exception\n"
