"""gunicorn's configuration, for `serve` and for the container image.

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

# Imported here because they read the settings at import, which must be valid by then.
from tuner_project.observability import multiprocess
from tuner_project.security.checks import check_open_to_others
from tuner_project.serving.worker import BoundedWorker, connection_counts


class PromptWorker(BoundedWorker):
    """Worker that ends within seconds after its master was killed.

    gunicorn's own worker continues to serve keep-alive connections for the whole
    graceful_timeout, and occupies the port, so that a new master cannot bind it.
    """

    def is_parent_alive(self) -> bool:
        if super().is_parent_alive():
            return True
        self.alive = False  # stop as on SIGTERM
        return False


worker_class = PromptWorker
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
graceful_timeout = settings.WEB_GRACEFUL_TIMEOUT  # seconds for open requests on shutdown
timeout = 60  # seconds without a heartbeat until a worker is replaced
keepalive = 75  # seconds; longer than a load balancer's, which should close first
sendfile = False  # it would wait for slow clients without limit
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
logger_class = "tuner_project.serving.gunicorn_logger.GunicornLogger"
loglevel = settings.LOG_LEVEL.lower()
control_socket_disable = True  # it would be created in the home folder


def on_starting(server: Any) -> None:
    """Create the metrics folder, and warn if the service is open to all clients."""
    multiprocess.begin()
    for warning in check_open_to_others():
        server.log.warning("%s %s", warning.msg, warning.hint)


def pre_fork(server: Any, worker: Any) -> None:
    """Assign a metrics slot to a worker."""
    multiprocess.enter(server, worker)


def post_worker_init(worker: Any) -> None:
    """Start publishing the gauges of a worker."""
    from tuner_project.observability.process_metrics import keep_publishing

    keep_publishing()


def child_exit(server: Any, worker: Any) -> None:
    """Remove the gauges and the number of connections of a worker that has ended."""
    connection_counts.remove(worker.metrics_slot)
    multiprocess.leave(worker)


def on_exit(server: Any) -> None:
    """Remove the metrics folder."""
    multiprocess.end()
