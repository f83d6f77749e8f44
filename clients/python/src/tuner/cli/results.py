"""`tuner best` and `tuner trials`."""

import argparse
import re
import shlex
from collections.abc import Mapping
from typing import Any

from tuner._wire.requests import present
from tuner.agent.command import as_argument
from tuner.answers import FrozenTrial
from tuner.cli.common import (
    Commands,
    add_command,
    add_format,
    open_study,
    print_json,
    print_table,
    say,
    to_plain,
)
from tuner.cli.yaml_files import write_yaml
from tuner.errors import TunerError

STATES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")
FILTERS = ("state", "worker_id", "order_by", "min_value", "max_value", "feasible", "limit")


def add_to(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the commands."""
    what = "Print the best trial; as `env`, its parameters as lines for a shell."
    add_format(add_command(commands, common, "best", best, what), "json", "yaml", "env")

    parser = add_command(commands, common, "trials", trials, "List the trials.")
    parser.add_argument("--state", choices=STATES)
    parser.add_argument("--worker-id", help="only those of this worker")
    parser.add_argument("--min-value", type=float)
    parser.add_argument("--max-value", type=float)
    parser.add_argument(
        "--feasible", action="store_const", const="true", help="only those without a violation"
    )
    parser.add_argument("--order-by", help="number, value, duration, …; with - descending")
    parser.add_argument("--limit", type=int, help="the first ones only")
    add_format(parser, "table", "json")


def best(options: argparse.Namespace) -> int:
    """Print the best trial."""
    with open_study(options) as study:
        found = study.best
    if options.format == "json":
        print_json(found)
    elif options.format == "yaml":
        say(write_yaml(to_plain(found)))
    else:
        say(*as_exports(found.params))
    return 0


def as_exports(params: Mapping[str, Any]) -> list[str]:
    """Return parameters as lines for a shell: `export lr=0.1`.

    What a shell does not take in a name becomes `_`.

    Raises:
        TunerError: two names become the same.
    """
    names = {name: re.sub(r"[^A-Za-z0-9_]|^(?=[0-9]|$)", "_", name) for name in params}
    if len(set(names.values())) < len(names):
        raise TunerError("several parameters would have one name in a shell: use --format json")
    return [
        f"export {names[name]}={shlex.quote(as_argument(each))}" for name, each in params.items()
    ]


def trials(options: argparse.Namespace) -> int:
    """List the trials."""
    query = present(**{name: getattr(options, name) for name in FILTERS})
    with open_study(options) as study:
        found = study.trials(**query)
    if options.format == "json":
        print_json(found)
        return 0
    names = list(dict.fromkeys(name for trial in found for name in trial.params))
    head = ["trial", "state", "value", *names, "seconds", "worker", "reason"]
    print_table(head, [_row(trial, names) for trial in found])
    return 0


def _row(trial: FrozenTrial, names: list[str]) -> list[Any]:
    values = " ".join(f"{value:.6g}" for value in trial.values or ())
    reason = (trial.reason or "").partition("\n")[0]
    params = [trial.params.get(name) for name in names]
    state = f"{trial.state} as {trial.retried_as}" if trial.retried_as is not None else trial.state
    return [
        trial.trial_id, state, values, *params, trial.duration_seconds, trial.worker_id, reason[:60]
    ]  # fmt: skip
