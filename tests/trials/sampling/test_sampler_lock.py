"""The lock of a study's sampler: threads wait for it only while that starves no others."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.errors import StudyBusy
from studies.models import Study
from tests.support.api_client import create_study, get_study, post_suggest
from trials.sampling import sampler_lock
from trials.sampling.sampler_lock import PATIENCE, SamplerLock
from trials.sampling.session_registry import session_registry


@pytest.fixture
def lock(settings: Any) -> SamplerLock:
    settings.WEB_THREADS = 4
    return SamplerLock()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def wait_for_waiting(lock: SamplerLock, n: int) -> None:
    while lock._n_waiting < n:
        time.sleep(0.001)


def test_all_threads_wait_for_quick_draws(lock: SamplerLock, pool: ThreadPoolExecutor) -> None:
    drawn: list[int] = []

    def draw(number: int) -> None:
        with lock:
            drawn.append(number)

    lock.acquire()
    waiting = [pool.submit(draw, number) for number in range(6)]
    wait_for_waiting(lock, 6)
    lock.release()
    for each in waiting:
        each.result()
    assert sorted(drawn) == list(range(6))


def test_half_of_the_threads_wait_for_a_slow_draw(
    lock: SamplerLock, pool: ThreadPoolExecutor
) -> None:
    lock.acquire()
    time.sleep(1.5 * PATIENCE)
    patient = pool.submit(lock.acquire)
    wait_for_waiting(lock, 1)
    with pytest.raises(StudyBusy) as refused:
        lock.acquire()
    assert refused.value.wait == 1
    lock.release()
    patient.result()
    lock.release()


def test_threads_that_wait_are_refused_when_a_draw_turns_out_slow(
    lock: SamplerLock, pool: ThreadPoolExecutor
) -> None:
    lock.acquire()
    waiting = [pool.submit(lock.acquire) for _ in range(3)]
    wait_for_waiting(lock, 3)
    while sum(each.done() for each in waiting) < 2:
        time.sleep(0.01)
    lock.release()
    failed = [each.exception() for each in waiting]
    assert sorted(type(each).__name__ for each in failed) == ["NoneType", "StudyBusy", "StudyBusy"]


def test_wait_is_bounded(lock: SamplerLock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_lock, "MAX_WAIT", 0.05)
    lock.acquire()
    with pytest.raises(StudyBusy):
        lock.acquire()


@pytest.mark.django_db(transaction=True)
def test_ask_of_a_busy_study_is_refused(api: APIClient, settings: Any) -> None:
    settings.WEB_THREADS = 1
    create_study(api, sampler="tpe", pruner="none")
    session = session_registry.of(Study.objects.get())
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with session.lock:
            time.sleep(1.5 * PATIENCE)
            is_held.set()
            is_over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()
    response = post_suggest(api)
    is_over.set()
    thread.join()
    assert (response.status_code, response.json()["code"]) == (503, "study_busy")
    assert response.headers["Retry-After"] == "1"
    assert get_study(api)["n_trials"] == 0
    assert post_suggest(api).status_code == 200


def test_draws_that_are_slow_on_average_refuse_at_once(
    lock: SamplerLock, pool: ThreadPoolExecutor
) -> None:
    for _ in range(8):
        with lock:
            time.sleep(2 * sampler_lock.QUICK)
    lock.acquire()
    patient = pool.submit(lock.acquire)
    wait_for_waiting(lock, 1)
    with pytest.raises(StudyBusy):
        lock.acquire()
    lock.release()
    patient.result()
    lock.release()
