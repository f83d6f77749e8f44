"""gunicorn's messages, on the same way as all others."""

from logging.config import dictConfig
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger


class GunicornLogger(Logger):
    """Leaves gunicorn's messages to the service's logging. The access log is the service's own."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in list(self.error_log.handlers):
            self.error_log.removeHandler(handler)
        self.error_log.propagate = True
        dictConfig(settings.LOGGING)  # gunicorn's master serves no requests, and sets up no Django
