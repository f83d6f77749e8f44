"""The duration of the parts of an ask."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from trials.domain.asking.watch import AskWatch
from trials.signals import ask_measured
from tuner_project.observability import stopwatch as module
from tuner_project.observability.stopwatch import stopwatch

SUGGEST = "/api/v1/studies/search/trials/suggest"


@pytest.fixture
def measured() -> Iterator[list[dict[str, Any]]]:
    """What is told of each ask."""
    told: list[dict[str, Any]] = []

    def note(sender: object, signal: object, **about: Any) -> None:
        told.append(about)

    ask_measured.connect(note, weak=False)
    yield told
    ask_measured.disconnect(note)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that shows its last number."""
    shown = [0.0]
    monkeypatch.setattr(module, "perf_counter", lambda: shown[-1])
    return shown


def test_nested_part_is_counted_once(clock: list[float], measured: list[dict[str, Any]]) -> None:
    with AskWatch(study="s", sampler="tpe"):
        clock.append(1)
        with stopwatch("database"):
            clock.append(3)
            with stopwatch("sampling"):
                clock.append(7)
            clock.append(15)
        clock.append(31)
    parts = {"other": 1 + 16, "database": 2 + 8, "sampling": 4}
    assert measured == [{"sampler": "tpe", "seconds": 31, "parts": parts}]


def test_part_outside_an_ask_is_not_measured(measured: list[dict[str, Any]]) -> None:
    with stopwatch("database"):
        pass
    assert measured == []


def test_failed_ask_is_not_measured(
    measured: list[dict[str, Any]],
) -> None:
    with pytest.raises(ZeroDivisionError), AskWatch(study="s", sampler="tpe"), stopwatch("a"):
        _ = 1 / 0
    with stopwatch("database"):
        pass
    assert measured == []


def test_ask_is_measured_by_parts(
    api: APIClient, study: dict[str, Any], measured: list[dict[str, Any]]
) -> None:
    assert api.post(SUGGEST).status_code == 200
    (ask,) = measured
    assert ask["sampler"] == "tpe"
    assert ask["parts"].keys() == {"other", "history", "sampling", "database"}
    assert all(seconds > 0 for seconds in ask["parts"].values())
    assert ask["seconds"] == pytest.approx(sum(ask["parts"].values()))


def test_sampling_within_the_transaction_is_not_database_time(
    api: APIClient, measured: list[dict[str, Any]]
) -> None:
    space = [{"type": "float", "name": "x", "low": 0, "high": 1}]
    api.post("/api/v1/studies", {"name": "search", "search_space": space, "sampler": "qmc"})
    assert api.post(SUGGEST).status_code == 200
    assert measured[0]["parts"].keys() == {"other", "sampling", "database"}


def test_refused_ask_is_not_measured(
    api: APIClient, study: dict[str, Any], measured: list[dict[str, Any]]
) -> None:
    api.post("/api/v1/studies/search/pause")
    assert api.post(SUGGEST).status_code == 409
    assert measured == []


def test_slow_ask_is_logged_with_its_parts(
    api: APIClient, study: dict[str, Any], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SLOW_ASK_SECONDS = 0
    api.post(SUGGEST, headers={"X-Request-ID": "mine"})
    (record,) = [each for each in caplog.records if each.name == module.__name__]
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith('an ask of study "search" took 0.')
    said: Any = record
    assert (said.study, said.sampler) == ("search", "tpe")
    assert said.parts.keys() == {"other", "history", "sampling", "database"}
    assert said.seconds > 0


def test_fast_ask_is_not_logged(
    api: APIClient, study: dict[str, Any], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SLOW_ASK_SECONDS = 3600
    api.post(SUGGEST)
    assert [each for each in caplog.records if each.name == module.__name__] == []
