"""The parts of the agent: placeholders, files, output."""

import asyncio
import logging
import re
from pathlib import Path

import pytest

import tuner
from tuner.agent.agent import FailureStreak
from tuner.agent.command import Command
from tuner.agent.files import ReportsFile
from tuner.agent.output import Metric, Output
from tuner.space import SearchSpace

SPACE: SearchSpace = {
    "lr": tuner.Float(1e-5, 1),
    "n": tuner.Int(1, 8),
    "amp": tuner.Categorical([True, False]),
    "opt": tuner.Categorical(["adam w", "sgd"]),
    "odd?name": tuner.Int(1, 2),
}
PARAMS = {"lr": 1e-05, "n": 3, "amp": True, "opt": "adam w", "odd?name": 1}


@pytest.mark.parametrize(
    ("argument", "filled_in"),
    [
        ("{lr}", ["1e-05"]),
        ("--n={n},{opt}", ["--n=3,adam w"]),
        ("{amp}", ["true"]),
        ("{amp?--mixed precision}", ["--mixed precision"]),
        ("{odd?name}", ["1"]),
        ("{{lr}} {{{lr}}}", ["{lr} {1e-05}"]),
        ("$HOME; `ls`", ["$HOME; `ls`"]),
        ("", [""]),
    ],
)
def test_placeholder_is_filled_in(argument: str, filled_in: list[str]) -> None:
    command = Command(["program", argument], SPACE)

    assert command.fill_in(PARAMS) == ["program", *filled_in]


def test_flag_is_dropped_where_its_parameter_is_false() -> None:
    command = Command(["program", "{amp?--amp}", "last"], SPACE)

    assert command.fill_in({**PARAMS, "amp": False}) == ["program", "last"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("{rate}", '"{rate}" is no parameter of the study: expected one of lr, n, amp, opt'),
        ("{rate?--rate}", '"{rate}" is no parameter of the study'),
        ("{n?--n}", '"{n?--n}": expected {name?argument} with a parameter of the choices true and'),
        ("{amp?}", '"{amp?}": expected {name?argument}'),
        ("--x={amp?--amp}", '"{amp?--amp}" must be an argument of its own'),
        ("{", 'a single "{" in the argument'),
        ("n}", 'a single "}" in the argument'),
    ],
)
def test_placeholder_that_does_not_fit_is_refused(argument: str, message: str) -> None:
    with pytest.raises(tuner.ConfigurationError, match=re.escape(message)):
        Command(["program", argument], SPACE)


def test_trial_without_a_parameter_of_the_command_is_refused() -> None:
    command = Command(["program", "{lr}"], SPACE)

    with pytest.raises(tuner.SpaceMismatch, match="no parameter 'lr': the study was created again"):
        command.fill_in({"n": 3})


def test_arguments_with_parameters_that_a_trial_lacks_are_left_out() -> None:
    when = {"opt": ["sgd"]}
    space = {
        **SPACE,
        "momentum": tuner.Float(0, 1, when=when),
        "nesterov": tuner.Categorical([True, False], when=when),
    }
    arguments = [
        "--momentum={momentum}",
        "--m",
        "{momentum}",
        "{nesterov?--nesterov}",
        "-v",
        "{lr}",
    ]
    command = Command(["program", *arguments, "a{momentum}b", "-m"], space)

    absent = command.fill_in(PARAMS)
    present = command.fill_in({**PARAMS, "momentum": 0.5, "nesterov": True})

    lr = repr(PARAMS["lr"])
    assert absent == ["program", "-v", lr, "-m"]
    assert present == [
        *["program", "--momentum=0.5", "--m", "0.5", "--nesterov", "-v", lr, "a0.5b", "-m"]
    ]


def test_reports_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "reports"
    reports = ReportsFile(path, "trial 3")
    assert reports.read_new() == {}

    with path.open("w", buffering=1) as file:
        file.write('{"step": 0, "value": 0.5}\n{"step": 1, "va')
        file.flush()
        assert reports.read_new() == {0: 0.5}
        assert reports.read_new() == {}
        file.write('lue": 1}\n{"step": 2, "value": 2, "loss": 7}')
        file.flush()
        assert reports.read_new() == {1: 1.0}
    assert reports.read_new(is_ended=True) == {2: 2.0}
    assert reports.read_new(is_ended=True) == {}
    path.write_text('{"step": 9, "value": 9}\n')
    assert reports.read_new() == {9: 9.0}


@pytest.mark.parametrize(
    "line",
    [
        "0.7",
        "{}",
        "",
        '{"step": 1}',
        '{"step": 1.0, "value": 1}',
        '{"step": true, "value": 1}',
        '{"step": -1, "value": 1}',
        '{"step": 1, "value": "1"}',
        '{"step": 1, "value": 1' + "0" * 400 + "}",
        "[" * 100_000,
        "\udcff",
    ],
)
def test_malformed_report_is_named_and_ignored(
    line: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "reports"
    good = '{"step": 7, "value": 1}'
    path.write_bytes(f"{good}\n{line}\n".encode(errors="surrogateescape"))

    with caplog.at_level(logging.WARNING):
        assert ReportsFile(path, "trial 3").read_new() == {7: 1.0}

    (warning,) = caplog.messages
    assert warning.startswith("trial 3: line 2 of its reports is ignored: ")
    assert warning.endswith(': expected {"step": 3, "value": 0.7}')


def read_output(*chunks: bytes, keep: int = 100, metric: Metric | None = None) -> tuple[str, str]:
    """The lines that were passed on, and the end that was kept."""
    written: list[str] = []

    async def write(lines: list[str]) -> None:
        written.extend(lines)

    async def read() -> Output:
        stream = asyncio.StreamReader()
        output = Output(write, keep, metric)
        reading = asyncio.create_task(output.read(stream))
        for chunk in chunks:
            stream.feed_data(chunk)
            await asyncio.sleep(0)
        stream.feed_eof()
        await reading
        return output

    output = asyncio.run(read())
    return "\n".join(written), output.tail


def test_output_is_passed_on_in_whole_lines() -> None:
    passed_on, tail = read_output(b"one\ntw", b"o\n\xc3", b"\xbc \xff\n\n", b"rest")

    assert passed_on == tail == "one\ntwo\nü �\n\nrest"


def test_output_keeps_its_end() -> None:
    assert read_output(b"one\ntwo\nthree\n", keep=8)[1] == "wo\nthree"
    assert read_output(b"x" * 200_000, keep=100)[1] == "x" * 100


def test_progress_bar_becomes_its_last_state() -> None:
    assert read_output(b" 1%\r50%\r99%\r\n")[0] == "99%"


def test_last_match_of_a_metric_counts(caplog: pytest.LogCaptureFixture) -> None:
    metric = Metric(re.compile(r"acc=(\S+)"), "trial 3")

    read_output(b"acc=0.1 acc=0.25\nloss=1\nacc=high\n", metric=metric)

    assert metric.value == 0.25
    assert caplog.messages == [
        "trial 3: line 3 of its output matches --metric acc=(\\S+), but 'high' is not a number: "
        "'acc=high'"
    ]


def test_success_ends_a_streak_of_failures() -> None:
    streak = FailureStreak(3)
    for is_failure in (True, True, False, True, True):
        streak.note(is_failure=is_failure)
    assert not streak.is_full

    streak.note(is_failure=True)

    assert streak.is_full
