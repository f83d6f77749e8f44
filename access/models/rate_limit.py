"""How far tokens and addresses have used up their rates."""

from django.db import models


class RateLimit(models.Model):
    """When the next request of a token or an address is expected: see `access.api.throttling`.

    Its table is not logged: after a crash of the database it is empty, and counting starts again.
    """

    key = models.BigIntegerField(primary_key=True, help_text="A hash of whose it is, and of what.")
    arrives_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.key)
