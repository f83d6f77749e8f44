"""Model fields and expressions."""

from typing import Any

from django.db import models
from django.db.models.expressions import Expression, Func
from psycopg.types.json import Json


class PlainJSONField(models.JSONField):
    """A column of type json, which keeps a document as it was written.

    Django's own field uses jsonb, which loses the order of keys, turns 1e16 into an int and
    -0.0 into 0.
    """

    def db_type(self, connection: Any) -> str:
        return "json"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None or isinstance(value, Expression):
            return value
        return Json(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value  # psycopg has decoded it; it would not for key transforms, which are not used


class NextValue(Func):
    """The next value of a sequence. Rows that exist in both schemas take Optuna's ids."""

    function = "nextval"
    template = "%(function)s(%(expressions)s::regclass)"
