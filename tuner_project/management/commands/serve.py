"""Run the whole service: database, migrations, web server."""

import os
import secrets
import sys
import tempfile
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from gunicorn.app.base import BaseApplication

from tuner_project.db.database import check_database, close_pool, only_one
from tuner_project.serving.background import SupervisingArbiter

ADMIN = "admin"
TOKENS_NEEDED = "Access: by token ({} create_token NAME --scope manage)"
OPEN = "Access: open to all clients that reach this address; AUTH_REQUIRED=true requires tokens"
ADMIN_LOCK = 0x74756E6572_01  # "tuner"


class Command(BaseCommand):
    """Prepares the database and the admin's account, and runs gunicorn."""

    help = (
        "Runs the service: starts the embedded database if DATABASE_URL is unset, migrates, "
        "creates the admin's account on the first run, and serves until Ctrl-C or SIGTERM."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-migrate", action="store_true", help="Do not migrate.")
        parser.add_argument(
            "--no-background",
            action="store_true",
            help="Do not run the commands that work in the background, which then run elsewhere.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        check_database()
        if not options["no_migrate"]:
            call_command("migrate", verbosity=0, interactive=False)
        self._keep_secret_key()
        with only_one(ADMIN_LOCK):  # several processes may start at once
            self._create_admin()
        close_pool()  # the forked workers open their own
        Server(self._announce, has_background=not options["no_background"]).run()

    def _keep_secret_key(self) -> None:
        path = settings.SECRET_KEY_FILE
        if path is None or (path.is_file() and path.read_text().strip()):
            return
        descriptor, part = tempfile.mkstemp(prefix="secret_key.", dir=path.parent)  # of mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(settings.SECRET_KEY)
        os.replace(part, path)  # atomic

    def _create_admin(self) -> None:
        users = get_user_model().objects
        if users.exists():
            return
        password = secrets.token_urlsafe(12)
        users.create_superuser(ADMIN, password=password)
        self.stdout.write(f"Admin account: {ADMIN}, password: {password} (shown this once)")

    def _announce(self, server: Any) -> None:
        host = "localhost" if settings.HOST in ("0.0.0.0", "::") else settings.HOST  # noqa: S104
        url = f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"
        self.stdout.write(f"Tuner {settings.VERSION} is at {url}/api/v1")
        self.stdout.write(f"Documentation: {url}/api/v1/docs")
        self.stdout.write(f"Admin: {url}/admin/")
        tokens_needed = TOKENS_NEEDED.format(settings.COMMAND)
        self.stdout.write(tokens_needed if settings.AUTH_REQUIRED else OPEN)
        if settings.EMBEDDED_POSTGRES:
            self.stdout.write(f"Database: embedded, in {settings.EMBEDDED_POSTGRES.home}")
        self.stdout.flush()


class Server(BaseApplication):
    """gunicorn in this process, with the configuration of tuner_project.serving.gunicorn."""

    def __init__(self, when_ready: Any, *, has_background: bool) -> None:
        self._when_ready, self._has_background = when_ready, has_background
        super().__init__()

    def run(self) -> None:
        """Run gunicorn's master, which keeps the background commands running, too."""
        if not self._has_background:
            super().run()
            return
        try:
            SupervisingArbiter(self).run()
        except RuntimeError as error:  # as the overridden method does
            sys.exit(f"error: {error}")

    def load_config(self) -> None:
        from tuner_project.serving import gunicorn

        for name, value in vars(gunicorn).items():
            if name in self.cfg.settings and value is not None:
                self.cfg.set(name, value)
        self.cfg.set("when_ready", self._when_ready)

    def load(self) -> Any:
        from tuner_project.wsgi import application

        return application
