"""Create a token for clients of the API."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.actors import Actor
from access.domain.tokens import create_token
from access.scopes import EVERY_STUDY, Scope

MAX_DAYS = 36_500


class Command(BaseCommand):
    """Create a token and print its key."""

    help = (
        "Creates a token for clients of the API, and prints its key, which cannot be shown again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The name of its client, which the audit log shows.")
        parser.add_argument("--scope", choices=Scope.values, required=True)
        parser.add_argument(
            "--studies",
            default=EVERY_STUDY,
            help="The studies that it may access: a pattern of names, such as 'search-*'.",
        )
        parser.add_argument(
            "--days", type=int, help="The days until it expires. Default: it never expires."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["days"]
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--days is {days}: expected 1 to {MAX_DAYS}")
        try:
            token, key = create_token(
                actor=Actor.command(),
                name=options["name"],
                scope=Scope(options["scope"]),
                studies=options["studies"],
                days=days,
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from None
        self.stderr.write(
            f'Token "{token.name}" ({token.scope}, studies {token.studies}, '
            f"expires {f'{token.expiry_date:%F}' if token.expiry_date else 'never'}). "
            "It is shown this once:"
        )
        self.stdout.write(key)
