"""Notes, links and logs that workers attach to their trials."""

import asyncio
from collections.abc import Iterator

import pytest

import tuner
from tuner._wire.requests import Request
from tuner.agent.log import MOST_BYTES, LogSender
from tuner.config import Settings

SPACE = {"x": tuner.Float(0, 1)}


@pytest.fixture
def study(url: str, request: pytest.FixtureRequest) -> Iterator[tuner.Study]:
    with tuner.Client(url, deadline=30, worker_id="w") as client:
        yield client.create_study(request.node.name, space=SPACE, sampler="random")


def test_trial_has_a_note_and_links(study: tuner.Study) -> None:
    trial = study.ask()
    trial.note("diverges")
    trial.link("run", "https://mlflow.example.org/1")
    trial.link("wrong", "https://example.org")
    trial.link("wrong", None)
    trial.complete(0.5)
    found = study.trial(0)
    assert (found.note, found.links) == ("diverges", {"run": "https://mlflow.example.org/1"})
    changed = study.update_trial(0, note="", links={"plots": "http://store:9000/a"})
    assert changed.note is None
    assert changed.links == {**found.links, "plots": "http://store:9000/a"}


def test_trial_has_a_log(study: tuner.Study) -> None:
    trial = study.ask()
    assert study.trial_log(0) == ""
    trial.log("epoch 1 ☃\n")
    trial.log("epoch 2\0\n")
    assert study.trial_log(0) == "epoch 1 ☃\nepoch 2\ufffd\n"
    trial.set_log("anew\n")
    trial.log("more\n")
    assert study.trial_log(0) == "anew\nmore\n"


def test_restarted_worker_goes_on_with_its_log(study: tuner.Study) -> None:
    asked = Request("POST", study.path("trials", "suggest"), {"worker_id": "w"})
    study.transport.json(asked)  # as its process before the restart
    study.transport.json(Request("PUT", study.path("trials", "0", "log"), text="before\n"))
    trial = study.ask()
    assert trial.is_reoffered
    trial.log("after\n")
    assert study.trial_log(0) == "before\nafter\n"


def test_url_of_another_scheme_is_refused(study: tuner.Study) -> None:
    trial = study.ask()
    with pytest.raises(tuner.Invalid, match="expected a URL"):
        trial.link("x", "javascript:alert(1)")


# The agent's sender -----------------------------------------------------------------------


async def _asked(client: tuner.AsyncClient, name: str) -> tuner.AsyncTrial:
    study = await client.create_study(name, space=SPACE, sampler="random")
    return await study.ask()


def test_output_is_sent_while_the_program_runs(url: str) -> None:
    async def run() -> list[str]:
        async with tuner.AsyncClient(url, deadline=30) as client:
            trial = await _asked(client, "sent while it runs")
            sender = LogSender(trial, pause=0.05)
            task, seen = asyncio.create_task(sender.run()), []
            for line in ("one", "two"):
                sender.add([line])
                while line not in (text := await trial.study.trial_log(0)):
                    await asyncio.sleep(0.05)
                seen.append(text)
            task.cancel()
            return seen

    assert asyncio.run(run()) == ["one\n", "one\ntwo\n"]


def test_only_the_end_of_much_output_is_sent(url: str) -> None:
    lines = [f"line {n:07}" for n in range(20_000)]

    async def run() -> str:
        async with tuner.AsyncClient(url, deadline=30) as client:
            trial = await _asked(client, "much output")
            sender = LogSender(trial)
            sender.add(["first"])
            await sender.send()
            sender.add(lines)
            await sender.send()
            sender.add(["last"])
            await sender.send()
            return await trial.study.trial_log(0)

    text = asyncio.run(run())
    assert "\n".join(["", *lines, "last", ""]).endswith(f"\n{text}")
    assert MOST_BYTES - 5000 < len(text) <= MOST_BYTES


def test_output_waits_while_the_service_is_away(url: str) -> None:
    async def run() -> str:
        async with tuner.AsyncClient(url, deadline=30) as client:
            trial = await _asked(client, "service away")
            sender = LogSender(trial)
            transport = trial.study.transport
            sender.add(["one"])
            there, transport.settings = transport.settings, Settings("http://127.0.0.1:9", None)
            await transport.close()
            await sender.send()
            transport.settings = there
            await transport.close()
            sender.add(["two"])
            await sender.send()
            return await trial.study.trial_log(0)

    assert asyncio.run(run()) == "one\ntwo\n"


def test_refused_output_ends_nothing(url: str) -> None:
    async def run() -> str:
        async with tuner.AsyncClient(url, deadline=30) as client:
            trial = await _asked(client, "refused output")
            await client.delete_study("refused output")
            sender = LogSender(trial)
            for line in ("one", "two"):
                sender.add([line])
                await sender.send()
            return "went on"

    assert asyncio.run(run()) == "went on"
