"""`tuner open`: the page of a study."""

import argparse
import webbrowser

from tuner.cli.common import Commands, add_command, open_study, say


def add_to(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    what = "Open the page of a study in a browser; print its address where there is none."
    add_command(commands, common, "open", open_page, what)


def open_page(options: argparse.Namespace) -> int:
    """Open the page of a study."""
    with open_study(options) as study:
        url = study.url
    if not webbrowser.open(url):
        say(url)
    return 0
