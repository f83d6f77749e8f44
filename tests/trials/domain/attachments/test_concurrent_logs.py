"""Threads with connections of their own that write the log and the links of one trial."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from studies.models import NamedStudy
from tests.support.database import call_and_close_connection
from tests.support.study_builders import COMMAND, ask_trial, build_study
from trials import domain
from trials.models import Annotation, TrialLog

N, ROUNDS = 4, 5
NAMED = NamedStudy("search")


def at_once(task: Callable[[int], Any]) -> list[Any]:
    """Call a function in N threads that begin together, and return what they returned."""
    start = Barrier(N)

    def run(index: int) -> Any:
        start.wait()
        return task(index)

    with ThreadPoolExecutor(N) as pool:
        calls = [pool.submit(call_and_close_connection, run, index) for index in range(N)]
        return [call.result() for call in calls]


@pytest.mark.django_db(transaction=True)
def test_texts_appended_at_the_same_time_are_all_kept() -> None:
    ask_trial(build_study())

    def append(thread: int) -> None:
        for n in range(ROUNDS):
            domain.write_log(named=NAMED, number=0, text=f"{thread}.{n}\n", append=True)

    at_once(append)
    log = TrialLog.objects.get()
    lines = log.text.split()
    assert sorted(lines) == sorted(f"{thread}.{n}" for thread in range(N) for n in range(ROUNDS))
    assert (log.size, log.dropped) == (4 * N * ROUNDS, 0)


@pytest.mark.django_db(transaction=True)
def test_same_text_at_the_same_offset_is_added_once() -> None:
    ask_trial(build_study())
    sizes = at_once(lambda _: domain.write_log(named=NAMED, number=0, text="once\n", offset=0).size)
    assert sizes == [5] * N
    assert TrialLog.objects.get().text == "once\n"


@pytest.mark.django_db(transaction=True)
def test_links_added_at_the_same_time_are_all_kept() -> None:
    ask_trial(build_study())

    def add(thread: int) -> None:
        links = {f"run {thread}": "https://example.org"}
        domain.change_trial(actor=COMMAND, named=NAMED, number=0, links=links)

    at_once(add)
    assert sorted(Annotation.objects.get().links) == [f"run {thread}" for thread in range(N)]
