"""`tuner login`: the file with the address of the service and the token."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tuner._sync.client import Client
from tuner.cli.common import Commands, UsageError, add_command, say
from tuner.config import config_file, read_settings
from tuner.errors import ConnectionFailed

CHECK_SECONDS = 10.0


def add_to(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    what = "Save the address of the service, and the token, for this user."
    parser = add_command(commands, common, "login", login, what, of_study=False)
    parser.add_argument("address", metavar="URL", nargs="?", help="default: --url, or TUNER_URL")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--token-file", type=Path, help="default: the variable TUNER_TOKEN")
    source.add_argument("--token-stdin", action="store_true", help="read it from standard input")


def login(options: argparse.Namespace) -> int:
    """Check the token and save it; one that the service refuses is not saved."""
    url = options.address or options.url or os.environ.get("TUNER_URL")
    if not url:
        raise UsageError("the address of the service is missing: tuner login URL")
    token = _read_token(options)
    url = read_settings(url, token).url
    doubt = _check(url, token)
    path = config_file()
    _write(path, url, token)
    say(f"saved in {path}: {url}{', with a token' if token else ', without a token'}")
    if doubt:
        sys.stderr.write(f"tuner: warning: not checked: {doubt}\n")
    return 0


def _read_token(options: argparse.Namespace) -> str | None:
    if options.token_stdin:
        text = sys.stdin.read()
    elif options.token_file:
        text = options.token_file.read_text(encoding="utf-8")
    elif "TUNER_TOKEN" in os.environ:
        text = os.environ["TUNER_TOKEN"]
    else:
        return None
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("what was given as the token is none: expected one word in ASCII")
    return token


def _check(url: str, token: str | None) -> str:
    """Let the service judge the token; returns why it could not, or nothing.

    Raises:
        ApiError: the service refuses it.
    """
    try:
        with Client(url, token, timeout=CHECK_SECONDS, deadline=CHECK_SECONDS) as client:
            client.studies(limit=1)
    except ConnectionFailed as error:
        return str(error)
    return ""


def _write(path: Path, url: str, token: str | None) -> None:
    """Write the file as a whole, readable by this user only from its first byte on."""
    settings = {"url": url, **({"token": token} if token else {})}
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # its mode is 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        for key, value in settings.items():
            file.write(f"{key} = {json.dumps(value, ensure_ascii=False)}\n")  # as TOML has it
    Path(name).replace(path)
