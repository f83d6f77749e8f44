"""`tuner status`: how far a study is."""

import argparse
import shutil
import sys
import time
from datetime import datetime

from tuner._sync.study import Study
from tuner._wire.outages import is_outage
from tuner._worker.progress import describe_progress, describe_seconds
from tuner.answers import Progress
from tuner.cli.common import Commands, add_command, add_format, open_study, print_json, say
from tuner.errors import TunerError

WATCH_SECONDS = 2.0
OVER = {"COMPLETED", "CANCELLED"}


def add_to(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    what = "Show how far a study is, which trials run, and why trials failed."
    parser = add_command(commands, common, "status", status, what)
    parser.add_argument("--watch", action="store_true", help="go on until the study ends")
    add_format(parser, "text", "json")


def status(options: argparse.Namespace) -> int:
    """Show the progress of a study."""
    shown, revision = 0, -1
    with open_study(options) as study:
        while True:
            progress = _read(study) if options.watch else study.progress()
            if progress.revision != revision or sys.stdout.isatty():
                shown = _show(progress, options, shown)
                revision = progress.revision
            if not options.watch or progress.state in OVER:
                return 0
            time.sleep(WATCH_SECONDS)


def _read(study: Study) -> Progress:
    """Return the progress, however long the service is away."""
    while True:
        try:
            return study.progress()
        except TunerError as error:
            if not is_outage(error):
                raise
            sys.stderr.write(f"tuner: {error}\n")
        time.sleep(WATCH_SECONDS)


def _show(progress: Progress, options: argparse.Namespace, shown: int) -> int:
    """Print the progress, on a terminal in the place of the lines before; returns their number."""
    if options.format == "json":
        print_json(progress)
        return 0
    if options.watch and not sys.stdout.isatty():
        say(describe_progress(progress))
        sys.stdout.flush()
        return 0
    lines = [describe_progress(progress), *_running(progress), *_failures(progress)]
    if options.watch:
        size = shutil.get_terminal_size()
        lines = [line[: size.columns - 1] for line in lines[: size.lines - 1]]
        sys.stdout.write(f"\x1b[{shown}A\x1b[J" if shown else "")
    say(*lines)
    sys.stdout.flush()
    return len(lines)


def _running(progress: Progress) -> list[str]:
    return [
        f"  trial {trial['trial_id']}: running for {_age(trial['datetime_start'], progress)}"
        + (f" by {trial['worker_id']}" if trial["worker_id"] else "")
        for trial in progress.running
    ]


def _failures(progress: Progress) -> list[str]:
    return [
        f"  {each['n_trials']} failed, the last is trial {each['last_trial_id']}: {each['reason']}"
        for each in progress.failures
    ]


def _age(moment: str, progress: Progress) -> str:
    began = datetime.fromisoformat(moment)
    return describe_seconds((progress.datetime - began).total_seconds())
