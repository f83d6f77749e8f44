"""gunicorn's logger class, which uses the service's logging configuration."""

from logging.config import dictConfig
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger


class GunicornLogger(Logger):
    """Pass gunicorn's messages to the service's logging; gunicorn's access log is not used."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in list(self.error_log.handlers):
            self.error_log.removeHandler(handler)
        self.error_log.propagate = True
        dictConfig(settings.LOGGING)  # gunicorn's master does not call django.setup()
