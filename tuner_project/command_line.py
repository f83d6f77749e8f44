"""Django's command line, on the embedded database where no DATABASE_URL is set.

`manage.py` runs it in a checkout and in the image, the script `tuner-server` of an installed
package everywhere else.
"""

import os
import signal
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import ProgrammingError

from tuner_project import __version__
from tuner_project.db.database import running_database
from tuner_project.db.faults import fault_of
from tuner_project.embedded_postgres import EmbeddedPostgresError

# Commands that need no database, and should not start one.
WITHOUT_DATABASE = {"help", "--help", "spectacular", "collectstatic"}


def main() -> None:
    """Run a command, with the embedded database if it needs one."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuner_project.settings")
    # As Ctrl-C does, SIGTERM ends a command in order, so that it stops the database it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    try:
        if command in {"version", "--version"}:  # Django would print its own
            sys.stdout.write(f"{__version__}\n")
        elif command in WITHOUT_DATABASE:
            execute_from_command_line(sys.argv)
        else:
            with running_database():
                execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, EmbeddedPostgresError) as error:
        sys.exit(f"error: {error}")
    except ProgrammingError as error:
        if (fault := fault_of(error)) is None:
            raise
        sys.exit(f"error: {fault.detail}")
    except KeyboardInterrupt:
        sys.exit(130)
