"""`tuner pause`, `resume`, `cancel` and `retry-failed`."""

import argparse
from functools import partial

from tuner.cli.common import Commands, add_command, open_study, say

ACTIONS = {
    "pause": "Hand out no more trials of a study until it is resumed.",
    "resume": "Hand out trials of a study again.",
    "cancel": "End a study for good; its running trials are told to stop.",
}


def add_to(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the commands."""
    for action, what in ACTIONS.items():
        parser = add_command(commands, common, action, partial(change_state, action), what)
        parser.add_argument("--reason", help="for others to read")
    add_command(commands, common, "retry-failed", retry_failed, "Queue the failed trials again.")


def change_state(action: str, options: argparse.Namespace) -> int:
    """Change the state of a study."""
    with open_study(options) as study:
        info = getattr(study, action)(options.reason)
    say(f"{info.study_name}: {info.state}")
    return 0


def retry_failed(options: argparse.Namespace) -> int:
    """Queue failed trials again."""
    with open_study(options) as study:
        answer = study.retry_failed()
    left = f", {answer['n_left']} are left: repeat it" if answer["n_left"] else ""
    say(f"{options.study}: {len(answer['trials'])} trials queued again{left}")
    return 0
