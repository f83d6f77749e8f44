"""Typed reading of the environment, with one clear line for each kind of nonsense."""

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

T = TypeVar("T")


class Environment:
    """The process's environment (and `.env`), each variable read once and checked.

    Every method raises `ImproperlyConfigured` with a line that names the variable, what it
    holds and what was expected.
    """

    def __init__(self, env: Env) -> None:
        self._env = env

    def text(self, name: str, default: str) -> str:
        """A blank one counts as unset."""
        # Not by `Env.str`, which takes a value that begins with "$" for another variable's name.
        value = str(self._env.ENVIRON.get(name, ""))
        return value if value.strip() else default

    def boolean(self, name: str, default: bool) -> bool:
        words = {"true": True, "1": True, "yes": True, "on": True}
        words |= {"false": False, "0": False, "no": False, "off": False}
        return self._read(name, default, lambda raw: words[raw.lower()], "true or false")

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        def parse(raw: str) -> int:
            number = int(raw)
            if not minimum <= number <= maximum:
                raise ValueError
            return number

        return self._read(name, default, parse, f"an integer from {minimum} to {maximum}")

    def seconds(self, name: str, maximum: int) -> float | None:
        """A time above 0; None where it is unset."""

        def parse(raw: str) -> float | None:
            seconds = float(raw)
            if not 0 < seconds <= maximum:
                raise ValueError
            return seconds

        return self._read(name, None, parse, f"a number of seconds above 0, at most {maximum}")

    def choice(self, name: str, default: str, choices: list[str]) -> str:
        def parse(raw: str) -> str:
            return choices[choices.index(raw)]

        return self._read(name, default, parse, f"one of {', '.join(choices)}")

    def words(self, name: str, default: list[str]) -> list[str]:
        """A comma-separated list, or a JSON array of strings."""

        def parse(raw: str) -> list[str]:
            if not raw.lstrip().startswith("["):
                return [word.strip() for word in raw.split(",") if word.strip()]
            words = json.loads(raw)
            if not all(isinstance(word, str) and word.strip() for word in words):
                raise ValueError
            return [word.strip() for word in words]

        expected = "a comma-separated list or a JSON array of strings"
        return self._read(name, default, parse, expected)

    def address(self, name: str, default: str) -> str:
        """An address to listen at, or a name of one."""

        def parse(raw: str) -> str:
            socket.getaddrinfo(raw, None)
            return raw

        return self._read(name, default, parse, "an address such as 0.0.0.0, or a host's name")

    def hosts(self, name: str, default: list[str]) -> list[str]:
        """Names of hosts, as Django's ALLOWED_HOSTS takes them: without scheme, port or path."""
        hosts = self.words(name, default)
        for host in hosts:
            if not re.fullmatch(r"\*|\.?[\w-]+(\.[\w-]+)*|\[[0-9a-fA-F:.]+\]", host):
                raise ImproperlyConfigured(
                    f"{name}: {host!r} is not a host's name such as tuner.example.org"
                )
        return hosts

    def origins(self, name: str, default: list[str]) -> list[str]:
        """Web origins: scheme and host, without a path."""
        origins = self.words(name, default)
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
                raise ImproperlyConfigured(
                    f"{name}: {origin!r} is not an origin such as https://app.example.org"
                )
        return origins

    def postgresql(self, name: str, default: str) -> dict[str, Any]:
        """A libpq URL as Django's database settings."""
        url = self.text(name, "") or default
        if not url.startswith(("postgresql://", "postgres://")):
            raise ImproperlyConfigured(
                f"{name} must be a URL such as postgresql://user:password@host:5432/name"
            )
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            # The reason is libpq's; the URL stays out of the line for its password's sake.
            reason = str(error).split(":")[0].strip()
            raise ImproperlyConfigured(f"{name} is not a PostgreSQL URL: {reason}") from None
        port = str(parts.get("port") or "5432")
        if not all(each.isdecimal() and 0 < int(each) < 2**16 for each in port.split(",")):
            raise ImproperlyConfigured(f"{name} has the port {port!r}: expected 1 to 65535")
        if not parts.get("dbname"):
            raise ImproperlyConfigured(f"{name} names no database: expected …host:5432/NAME")
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.pop("dbname"),
            "USER": parts.pop("user", ""),
            "PASSWORD": parts.pop("password", ""),
            "HOST": parts.pop("host", ""),
            "PORT": parts.pop("port", ""),
            "OPTIONS": parts,
        }

    def _read(self, name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
        raw = self.text(name, "").strip()
        if not raw:
            return default
        try:
            return parse(raw)
        except (ValueError, KeyError, TypeError, OSError):
            raise ImproperlyConfigured(f"{name} is {raw!r}: expected {expected}") from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address to listen at."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
