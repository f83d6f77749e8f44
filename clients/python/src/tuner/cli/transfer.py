"""`tuner export` and `tuner import`."""

import argparse
import sys
from pathlib import Path

from tuner.cli.common import Commands, add_command, open_client, open_study, print_json

SECONDS = 600.0  # for a large study


def add_to(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the commands."""
    what = "Write a study with its trials, as JSON Lines."
    parser = add_command(commands, common, "export", export, what)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: print it")

    what = "Store the studies of exported files, all or none of them."
    parser = add_command(commands, common, "import", import_, what, of_study=False)
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--conflict", choices=["fail", "skip", "rename"], help="of names")
    parser.add_argument("--dry-run", action="store_true", help="check it, and store nothing")


def export(options: argparse.Namespace) -> int:
    """Write a study."""
    with open_study(options, timeout=SECONDS, deadline=SECONDS) as study:
        lines = study.export()
    if options.output is None:
        sys.stdout.buffer.write(lines)
    else:
        options.output.write_bytes(lines)
    return 0


def import_(options: argparse.Namespace) -> int:
    """Store studies."""
    lines = options.file.read_bytes()
    with open_client(options, timeout=SECONDS) as client:
        done = client.import_studies(
            lines, conflict=options.conflict, dry_run=options.dry_run or None
        )
    print_json(done)
    return 0
