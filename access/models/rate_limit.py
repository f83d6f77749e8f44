"""The state of the rate limits of tokens and addresses."""

from django.db import models


class RateLimit(models.Model):
    """The theoretical arrival time of the next request of a token or address.

    See `access.api.rates`. The table is UNLOGGED: after a crash of the database it is empty,
    and counting starts again.
    """

    key = models.BigIntegerField(primary_key=True, help_text="A hash of whose it is, and of what.")
    arrives_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.key)
