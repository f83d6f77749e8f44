"""`tuner agent`: the options of the agent."""

import argparse
import asyncio
import json
import re
import shutil
import sys
from typing import Any, TypeVar

from tuner._async.client import AsyncClient
from tuner._async.study import AsyncStudy
from tuner.agent.command import Command
from tuner.agent.options import DEFAULT_GRACE, DEFAULT_LEASE, DEFAULT_MAX_FAILURES, Options
from tuner.agent.screen import Screen, log_to
from tuner.cli.common import Commands, UsageError, add_command
from tuner.errors import TunerError
from tuner.space import Categorical, SearchSpace

_Number = TypeVar("_Number", int, float)

DEADLINE_SECONDS = 60.0  # of a request; what must not be lost is repeated after it


def add_to(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    what = "Evaluate the trials of a study: run a command for each of them."
    parser = add_command(commands, common, "agent", run_agent, what)
    parser.usage = "tuner agent STUDY [options] -- COMMAND [ARGUMENT …]"
    parser.epilog = (
        "In the arguments, {name} becomes the value of a parameter, and {name?--flag}, as an "
        "argument of its own, --flag where the parameter is true; {{ and }} are braces. The "
        'command writes {"values": 0.83} to the file $TUNER_RESULT, and appends lines such as '
        '{"step": 3, "value": 0.7} to $TUNER_REPORTS.'
    )
    add = parser.add_argument
    add("-j", "--jobs", type=_count, default=1, help="how many at a time (default: 1)")
    add("--metric", metavar="REGEX", type=_metric, help="read the result from the output: the last "
        "match of its group, as in 'acc=(\\S+)'")  # fmt: skip
    add("--n-trials", type=_count, help="start so many trials at most")
    add("--timeout", type=_seconds, metavar="SECONDS", help="start none after so long")
    add("--lease-seconds", type=_seconds, metavar="SECONDS",
        help=f"of the trials (default: the study's, or {DEFAULT_LEASE:g})")  # fmt: skip
    add("--grace-seconds", type=_seconds, metavar="SECONDS", default=DEFAULT_GRACE,
        help=f"between SIGTERM and SIGKILL (default: {DEFAULT_GRACE:g})")  # fmt: skip
    add("--max-failures", type=_failures, default=DEFAULT_MAX_FAILURES, metavar="N",
        help="end after N failures in a row within a minute; 0: go on whatever happens "
        f"(default: {DEFAULT_MAX_FAILURES})")  # fmt: skip
    add("--fix", metavar="NAME=VALUE", action="append", default=[], help="let the trials have this "
        "value of a parameter; may be repeated")  # fmt: skip
    add("--exit-when-paused", action="store_true", help="end when the study is paused")
    add("--worker-id", metavar="NAME", help="the name of this agent, by which it finds its trials "
        "again (default: TUNER_WORKER, that of the scheduler, or a random one)")  # fmt: skip


def run_agent(options: argparse.Namespace) -> int:
    """Run the agent until the study ends; returns its exit code."""
    if sys.platform == "win32":
        raise TunerError("tuner agent needs the signals and process groups of POSIX: use WSL")
    if not options.command:
        raise UsageError("the command is missing: tuner agent STUDY -- COMMAND …")
    if "{" not in options.command[0] and shutil.which(options.command[0]) is None:
        raise UsageError(f'the command "{options.command[0]}" is not found, or not executable')
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    from tuner.agent.agent import Agent  # for POSIX only

    client = AsyncClient(options.url, worker_id=options.worker_id, deadline=DEADLINE_SECONDS)
    async with client:
        study = await client.get_study(options.study)
        settings = _read_options(options, study)
        screen = Screen()
        log_to(screen)
        try:
            return await Agent(study, settings, screen).run()
        finally:
            screen.close()


def _read_options(options: argparse.Namespace, study: AsyncStudy) -> Options:
    """Return the options of the agent, checked against the study."""
    if options.metric is not None and len(study.directions) > 1:
        raise UsageError(
            f"--metric finds one value, and the study has {len(study.directions)} objectives: "
            "let the command write $TUNER_RESULT"
        )
    return Options(
        command=Command(options.command, _space_with_retired(study)),
        n_slots=options.jobs,
        metric=options.metric,
        n_trials=options.n_trials,
        timeout=options.timeout,
        lease_seconds=options.lease_seconds,
        grace=options.grace_seconds,
        max_failures=options.max_failures,
        wait_while_paused=not options.exit_when_paused,
        fixed=dict(_read_fixed(text, study.space) for text in options.fix),
    )


def _space_with_retired(study: AsyncStudy) -> SearchSpace:
    """Return the search space with the parameters that are constants by now."""
    retired = study.info.retired or {}
    return {**study.space, **{name: Categorical([value]) for name, value in retired.items()}}


def _read_fixed(text: str, space: SearchSpace) -> tuple[str, Any]:
    """Return the name and the value of a fixed parameter; a name may contain "="."""
    names = [name for name in space if text.startswith(f"{name}=")]
    if not names:
        expected = ", ".join(space)
        raise UsageError(f"--fix {text}: expected NAME=VALUE, with one of the names {expected}")
    name = max(names, key=len)
    value = text[len(name) + 1 :]
    distribution = space[name]
    if isinstance(distribution, Categorical) and value in distribution.choices:
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # a text, which the service refuses where it is not a choice


def _metric(text: str) -> "re.Pattern[str]":
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a regular expression: {error}"
        ) from error
    if pattern.groups != 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} has {pattern.groups} groups: expected one, around the value; (?:…) is none"
        )
    return pattern


def _count(text: str) -> int:
    return _at_least(int(text), 1)


def _seconds(text: str) -> float:
    return _at_least(float(text), 0.1)


def _failures(text: str) -> int:
    return _at_least(int(text), 0)


def _at_least(number: _Number, least: _Number) -> _Number:
    if not number >= least:  # also NaN
        raise argparse.ArgumentTypeError(f"{number} is too small: expected {least} or more")
    return number
