"""The WSGI application that gunicorn serves."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from tuner_project.db.database import limit_statements

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuner_project.settings")

try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    sys.stderr.write(f"error: {error}\n")
    sys.exit(3)  # with this code of a worker, gunicorn's master stops instead of replacing it
limit_statements()
