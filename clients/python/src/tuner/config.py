"""Where the service is, and by which token to call it.

In this order: the arguments of the client, the variables `TUNER_URL` and `TUNER_TOKEN`, and the
file `~/.config/tuner.toml` (`TUNER_CONFIG` names another one), which `tuner login` writes:

    url = "https://tuner.example.org"
    token = "…"

Nothing is ever asked for on the standard input, where a batch job would hang.
"""

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tuner.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

API_PREFIX = "/api/v1"


class Settings(NamedTuple):
    """The base URL of the service, without `/api/v1`, and the token, or None."""

    url: str
    token: str | None

    def __repr__(self) -> str:
        """Leave the token out: tracebacks and logs show it."""
        return f"Settings(url={self.url!r}, token={'***' if self.token else None})"


def config_file() -> Path:
    """Return the path of the file with the settings."""
    if path := os.environ.get("TUNER_CONFIG"):
        return Path(path)
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "tuner.toml"


def read_settings(url: str | None = None, token: str | None = None) -> Settings:
    """Return the settings of a client.

    Raises:
        ConfigurationError: there is no URL, or the file or the URL cannot be used.
    """
    url = url or os.environ.get("TUNER_URL")
    token = token or os.environ.get("TUNER_TOKEN")
    if url is None:
        file = _read_file(config_file())
        url = file.get("url")
        token = token or file.get("token")
    if not url:
        raise ConfigurationError(
            "the address of the service is not known: set TUNER_URL, run `tuner login`, or pass "
            'it, as in tuner.Client("https://tuner.example.org")'
        )
    return Settings(_base_url(url), _clean_token(token))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _clean_token(token: object) -> str | None:
    """Return a token without the line end that files of secrets often have."""
    if not token:
        return None
    clean = token.strip() if isinstance(token, str) else ""
    if not clean.isascii() or not clean.isprintable() or not clean:
        raise ConfigurationError("the token is not one: expected printable ASCII characters")
    return clean


def _base_url(url: object) -> str:
    if not isinstance(url, str) or not _is_base_url(url):
        raise ConfigurationError(
            f"{url!r} is not the address of a service: expected http:// or https:// and a host"
        )
    return url.rstrip("/").removesuffix(API_PREFIX)


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is no number
    except ValueError:
        return False
    is_clean = url.isprintable() and not (parts.query or parts.fragment)
    return is_clean and parts.scheme in {"http", "https"} and bool(parts.hostname)
