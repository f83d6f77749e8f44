"""gunicorn's configuration, for `serve` and for the image alike.

https://docs.gunicorn.org/en/stable/settings.html
"""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuner_project.settings")

try:
    bind = f"{'[' + settings.HOST + ']' if ':' in settings.HOST else settings.HOST}:{settings.PORT}"
except ImproperlyConfigured as error:
    sys.exit(f"error: {error}")

# They read the settings when they are imported, which must be known and sound by then.
from tuner_project.observability import multiprocess
from tuner_project.security.checks import check_open_to_others
from tuner_project.serving.worker import BoundedWorker


class PromptWorker(BoundedWorker):
    """Ends within seconds when its master was killed.

    gunicorn's own goes on serving the connections that clients keep alive, for the whole
    graceful_timeout, and holds the port against the next master.
    """

    def is_parent_alive(self) -> bool:
        if super().is_parent_alive():
            return True
        self.alive = False  # the stop that SIGTERM would begin
        return False


worker_class = PromptWorker
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
graceful_timeout = settings.WEB_GRACEFUL_TIMEOUT  # seconds for what is in flight when it stops
timeout = 60  # seconds without a sign of life until a worker is replaced
keepalive = 75  # seconds; longer than a balancer's, which should close first
sendfile = False  # it would wait for clients without an end
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
logger_class = "tuner_project.serving.gunicorn_logger.GunicornLogger"
loglevel = settings.LOG_LEVEL.lower()
control_socket_disable = True  # it would be made in the home folder


def on_starting(server: Any) -> None:
    """Make the folder of the metrics, and warn if the service is open."""
    multiprocess.begin()
    for warning in check_open_to_others():
        server.log.warning("%s %s", warning.msg, warning.hint)


def pre_fork(server: Any, worker: Any) -> None:
    """Give a worker its slot of the metrics."""
    multiprocess.enter(server, worker)


def post_worker_init(worker: Any) -> None:
    """Publish the metrics of a worker."""
    from tuner_project.observability.process_metrics import keep_publishing

    keep_publishing()


def child_exit(server: Any, worker: Any) -> None:
    """Remove the gauges of a worker that has ended."""
    multiprocess.leave(worker)


def on_exit(server: Any) -> None:
    """Remove the folder of the metrics."""
    multiprocess.end()
