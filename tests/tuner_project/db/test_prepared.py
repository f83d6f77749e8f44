"""Statements in psycopg's pipeline mode."""

import pytest
from django.db import DataError, transaction

from tuner_project.db.pipelines import pipelined
from tuner_project.db.prepared import run


def test_pipelined_block_within_another_waits_for_nothing(db: None) -> None:
    has_left = False
    with pytest.raises(DataError), transaction.atomic(), pipelined():
        with pipelined():
            run("SELECT 1 / 0", {})
        has_left = True
    assert has_left


def test_pipelined_block_raises_at_its_end(db: None) -> None:
    with transaction.atomic():
        with pytest.raises(DataError), transaction.atomic(), pipelined():
            run("SELECT 1 / 0", {})
        run("SELECT 1", {})
