"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from tuner_project.db.database import limit_statements

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuner_project.settings")

application = get_wsgi_application()
limit_statements()
