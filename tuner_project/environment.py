"""Typed reading of the environment, with a one-line error for each invalid value.

Why no library is used, each tried with `tests/tuner_project/test_environment.py`:

- django-environ, which reads `.env` here, raises a `ValueError` without the variable's name for
  an invalid or blank integer, reads `maybe` as false, takes a value that begins with "$" for the
  name of another variable, and accepts `mysql://` and unknown options in a database URL.
- pydantic-settings needs as many lines, because lists, hosts, origins, addresses and the database
  URL need custom validators. It adds six packages (11 MB) and 160 ms to the start of every
  process, and its messages do not state the allowed range.
"""

import json
import re
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from environ import Env
from psycopg.conninfo import conninfo_to_dict

Value = TypeVar("Value")
Default = TypeVar("Default")
_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True)
_BOOLEANS |= dict.fromkeys(("false", "0", "no", "off"), False)
_HOST = re.compile(r"\*|\.?[\w-]+(\.[\w-]+)*|\[[0-9a-fA-F:.]+\]")
_HOST_OR_BELOW = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*")


class Environment:
    """A typed and validated view of the process's environment and `.env`.

    Every method returns the default if the variable is unset or blank, and raises
    `ImproperlyConfigured` with the variable, its value and what is expected if it is invalid.
    """

    def __init__(self, env: Env) -> None:
        self._env = env

    def text(self, name: str, default: str) -> str:
        """Return the value unchanged, even if it begins with "$"."""
        value = str(self._env.ENVIRON.get(name, ""))
        return value if value.strip() else default

    def boolean(self, name: str, default: bool) -> bool:
        return self._read(name, default, lambda raw: _BOOLEANS[raw.lower()], "true or false")

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        expected = f"an integer from {minimum} to {maximum}"
        return self._read(name, default, int, expected, lambda n: minimum <= n <= maximum)

    def seconds(self, name: str, maximum: int) -> float | None:
        """Return a positive number of seconds, or None if the variable is unset."""
        expected = f"a number of seconds above 0, at most {maximum}"
        return self._read(name, None, float, expected, lambda seconds: 0 < seconds <= maximum)

    def choice(self, name: str, default: str, choices: list[str]) -> str:
        expected = f"one of {', '.join(choices)}"
        return self._read(name, default, str, expected, choices.__contains__)

    def words(
        self,
        name: str,
        default: list[str],
        expected: str = "strings",
        is_valid: Callable[[str], object] = bool,
    ) -> list[str]:
        """Return the strings of a comma-separated list or of a JSON array."""

        def parse(raw: str) -> list[str]:
            is_json = raw.startswith("[")
            words = json.loads(raw) if is_json else [w for w in raw.split(",") if w.strip()]
            return [word.strip() for word in words]

        expected = f"a comma-separated list or a JSON array of {expected}"
        return self._read(name, default, parse, expected, lambda words: all(map(is_valid, words)))

    def address(self, name: str, default: str) -> str:
        """Return an address to listen on, or a host name that resolves to one."""
        expected = "an address such as 0.0.0.0, or a host's name"
        return self._read(name, default, str, expected, lambda host: socket.getaddrinfo(host, None))

    def hosts(self, name: str, default: list[str]) -> list[str]:
        """Return host names for Django's ALLOWED_HOSTS: no scheme, port or path."""
        return self.words(name, default, "hosts such as tuner.example.org", _HOST.fullmatch)

    def webhook_hosts(self, name: str, default: list[str]) -> list[str]:
        """Return names of hosts, `*.domain` for all below a domain, or IP addresses."""

        def is_valid(host: str) -> object:
            return _HOST_OR_BELOW.fullmatch(host) or _is_address(host)

        expected = "hosts such as hooks.internal, *.example.org or 10.0.0.7"
        return [host.lower() for host in self.words(name, default, expected, is_valid)]

    def origins(self, name: str, default: list[str]) -> list[str]:
        """Return web origins: scheme and host, without a path."""
        return self.words(name, default, "origins such as https://app.example.org", _is_origin)

    def postgresql(self, name: str, default: str) -> dict[str, Any]:
        """Return Django's database settings for a libpq URL.

        Every host, port and connection option that libpq knows is accepted. Error messages do not
        contain the URL, because it may hold a password.
        """
        url = self.text(name, "") or default
        if not url.startswith(("postgresql://", "postgres://")):
            raise ImproperlyConfigured(
                f"{name} must be a URL such as postgresql://user:password@host:5432/name"
            )
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            # libpq's message, without the part that quotes the URL.
            reason = str(error).split(":")[0].strip()
            raise ImproperlyConfigured(f"{name} is not a PostgreSQL URL: {reason}") from None
        port = str(parts.get("port") or "5432")
        if not all(each.isdecimal() and 0 < int(each) < 2**16 for each in port.split(",")):
            raise ImproperlyConfigured(f"{name} has the port {port!r}: expected 1 to 65535")
        if not parts.get("dbname"):
            raise ImproperlyConfigured(f"{name} names no database: expected …host:5432/NAME")
        return {
            "ENGINE": "tuner_project.db.backend",
            "NAME": parts.pop("dbname"),
            "USER": parts.pop("user", ""),
            "PASSWORD": parts.pop("password", ""),
            "HOST": parts.pop("host", ""),
            "PORT": parts.pop("port", ""),
            "OPTIONS": parts,
        }

    def _read(
        self,
        name: str,
        default: Default,
        parse: Callable[[str], Value],
        expected: str,
        is_valid: Callable[[Value], object] = lambda value: True,
    ) -> Value | Default:
        raw = self.text(name, "").strip()
        if not raw:
            return default
        try:
            value = parse(raw)
            if is_valid(value):
                return value
        except (ValueError, KeyError, AttributeError, OSError):
            pass
        raise ImproperlyConfigured(f"{name} is {raw!r}: expected {expected}")


def _is_origin(origin: str) -> bool:
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not parts.path


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on can be reached from this machine only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
