"""The command line: parses, calls a command, and turns errors into a line and an exit code.

Exit codes: 0, 1 for what was refused or has failed, 2 for wrong usage.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from tuner.cli import (
    agent_command,
    browser,
    control,
    listing,
    login,
    overview,
    results,
    transfer,
)
from tuner.cli.common import UsageError
from tuner.errors import ApiError, ConfigurationError, TunerError
from tuner.version import __version__

GROUPS = (login, listing, overview, results, agent_command, control, transfer, browser)
FAILED, USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        options = _parse(sys.argv[1:] if arguments is None else arguments)
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (UsageError, ConfigurationError) as error:
        return _complain(error, USAGE)
    except (TunerError, OSError) as error:
        return _complain(error, FAILED)
    return code


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments; those behind `--` are the command of an agent."""
    own, command = list(arguments), None
    if "--" in own:
        at = own.index("--")
        own, command = own[:at], own[at + 1 :]
    parser = make_parser()
    options = parser.parse_args(own)
    if command is not None and options.name_of_command != "agent":
        parser.error("only `tuner agent` takes a command behind --")
    options.command = command or []
    return options


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="tuner",
        description="Client of the tuner service.",
        epilog="The token is read from TUNER_TOKEN, or from the file that `tuner login` writes; "
        "other users of the machine could see it on a command line.",
    )
    parser.add_argument("--version", action="version", version=f"tuner {__version__}")
    parser.add_argument("--url", help="address of the service; default: TUNER_URL, or `login`'s")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="name_of_command", metavar="COMMAND", required=True)
    for group in GROUPS:
        group.add_to(commands, common)
    return parser


def _complain(error: Exception, code: int) -> int:
    lines = [str(error)]
    if isinstance(error, ApiError) and error.errors:
        lines = [f"{each.pointer}: {each.detail}" for each in error.errors]
    sys.stderr.write("".join(f"tuner: {line}\n" for line in lines))
    return code
