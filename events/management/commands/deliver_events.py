"""Deliver events to webhooks."""

import threading
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from events.delivery.deliverer import Attempt, Deliverer
from events.domain.best import announce_best
from events.domain.stalls import watch_for_stalls
from tuner_project.db.database import release_connection
from tuner_project.repetition import add_parent_argument, stop_event

WATCH_EVERY = 30.0  # seconds between two looks for studies that have stalled
TURN = 0.2  # seconds after which a busy loop looks for further work


class Command(BaseCommand):
    """Deliver the events that are due, once or repeatedly, and print the attempts that failed."""

    help = (
        "Sends the events that are due to the webhooks, and writes the events that no request "
        "does: study.stalled, and a study.new_best within a minute of the one before. Several of "
        "these processes share the work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--every",
            type=float,
            metavar="SECONDS",
            help="Repeat, with this pause while nothing is due. Default: run until nothing is due.",
        )
        add_parent_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        pause: float | None = options["every"]
        if pause is None:
            with Deliverer() as deliverer:
                self._write_events(is_time_to_watch=True)
                while deliverer.start() or not deliverer.is_idle:
                    self._report(deliverer.collect(TURN))
            return
        if not 0 < pause <= 3600:
            raise CommandError("--every: expected seconds above 0, at most 3600")
        stopping = stop_event(options["parent"])
        with Deliverer() as deliverer:
            self._repeat(deliverer, pause, stopping)

    def _repeat(self, deliverer: Deliverer, pause: float, stopping: threading.Event) -> None:
        write_at = watch_at = 0.0
        while not stopping.is_set():
            n_started = 0
            try:
                now = monotonic()
                if now >= write_at:
                    self._write_events(is_time_to_watch=now >= watch_at)
                    write_at = now + pause
                    watch_at = now + WATCH_EVERY if now >= watch_at else watch_at
                n_started = deliverer.start()
                self._report(deliverer.collect(0))
            except (OperationalError, InterfaceError) as error:
                self.stderr.write(f"the database cannot be reached, trying again: {error}")
            release_connection()
            if not n_started:
                stopping.wait(pause if deliverer.is_idle else min(pause, TURN))

    def _write_events(self, *, is_time_to_watch: bool) -> None:
        announce_best()
        if is_time_to_watch:
            watch_for_stalls()

    def _report(self, attempts: list[Attempt]) -> None:
        for attempt in attempts:
            if not attempt.outcome.is_success:
                delivery = attempt.delivery
                self.stderr.write(
                    f'webhook "{delivery.webhook.name}": {delivery.type} was not delivered, '
                    f"attempt {delivery.attempts}: {attempt.outcome}"
                )
