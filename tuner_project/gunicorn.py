"""gunicorn's configuration, for `serve` and for the image alike.

https://docs.gunicorn.org/en/stable/settings.html
"""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuner_project.settings")
# PyTorch's threads and NumPy's would take each other's cores (Optuna's note on GPSampler).
os.environ.setdefault("OMP_NUM_THREADS", "1")

try:
    bind = f"{'[' + settings.HOST + ']' if ':' in settings.HOST else settings.HOST}:{settings.PORT}"
except ImproperlyConfigured as error:
    sys.exit(f"error: {error}")

worker_class = "gthread"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
graceful_timeout = 25  # seconds for what is in flight when it stops
timeout = 60  # seconds without a sign of life until a worker is replaced
keepalive = 75  # seconds; longer than a balancer's, which should close first
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
control_socket_disable = True  # it would be made in the home folder
