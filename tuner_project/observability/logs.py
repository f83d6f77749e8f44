"""Logs: of the service, of gunicorn and of libraries alike, as lines for people or as JSON."""

import logging
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS

from tuner_project.observability.request_id import current_request_id

FORMATS = ["line", "json"]
LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
# What Django hangs on its records: the text of a request holds its query.
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
    """Puts the id of the request on every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django logs a refused request when all middleware is through with it.
        of_request = getattr(getattr(record, "request", None), "request_id", None)
        record.request_id = current_request_id() or of_request or "-"
        return True


class UnavailableFilter(logging.Filter):
    """Makes a warning without traceback of a 503, which Django logs as the service's own failure.

    So it is in the log once, like a client's mistake: where there is an access log, only there.
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
    """Django's LOGGING: `packages` log from this level on, libraries nothing below a warning.

    At DEBUG they log everything.
    """
    of_libraries = level if level in ("DEBUG", "ERROR", "CRITICAL") else "WARNING"
    loggers: dict[str, Any] = {package: {"level": level} for package in packages}
    # They have levels of their own, and Django has handlers.
    loggers |= {library: {"level": of_libraries} for library in ("django", "psycopg")}
    # Clients' mistakes: they stand in the access log.
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
