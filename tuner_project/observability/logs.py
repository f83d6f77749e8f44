"""Logging of the service, gunicorn and the libraries, as text lines or as JSON."""

import logging
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS

from tuner_project.observability.request_id import current_request_id

FORMATS = ["line", "json"]
LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
# Attributes that Django adds to its log records; the text of a request contains its query.
_LEFT_OUT = ["request", "server_time", "status_code"]
_FORMATTERS: dict[str, Any] = {
    "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s]: %(message)s"},
    "json": {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "format": "%(levelname)s %(name)s %(message)s %(request_id)s %(process)d",
        "rename_fields": {"levelname": "level", "name": "logger", "process": "pid"},
        "timestamp": "time",  # ISO 8601 in UTC
        "reserved_attrs": [*RESERVED_ATTRS, *_LEFT_OUT],
    },
}


class RequestIdFilter(logging.Filter):
    """Add the request id to every log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django logs an error response after all middleware has run.
        of_request = getattr(getattr(record, "request", None), "request_id", None)
        record.request_id = current_request_id() or of_request or "-"
        return True


class UnavailableFilter(logging.Filter):
    """Log a 503, which Django logs as an error with traceback, as a warning without one.

    It is then logged once, like a client error: with an access log, only there.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", None) != 503:
            return True
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        return logging.getLogger(record.name).isEnabledFor(logging.WARNING)


def logging_config(
    form: str, level: str, packages: list[str], *, access_log: bool
) -> dict[str, Any]:
    """Return Django's LOGGING: `packages` log at `level`, libraries at WARNING or above.

    At DEBUG, libraries log everything, too.
    """
    of_libraries = level if level in ("DEBUG", "ERROR", "CRITICAL") else "WARNING"
    loggers: dict[str, Any] = {package: {"level": level} for package in packages}
    # Both set their own levels, and Django has its own handlers.
    loggers |= {library: {"level": of_libraries} for library in ("django", "psycopg")}
    # Client errors are in the access log already.
    loggers["django.request"] = {
        "level": "ERROR" if access_log else of_libraries,
        "filters": ["unavailable"],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"chosen": _FORMATTERS[form]},
        "filters": {
            "request_id": {"()": f"{__name__}.RequestIdFilter"},
            "unavailable": {"()": f"{__name__}.UnavailableFilter"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "chosen",
                "filters": ["request_id"],
            }
        },
        "loggers": loggers,
        "root": {"handlers": ["console"], "level": of_libraries},
    }
