"""Print the bytes that PostgreSQL keeps for a trial, for docs/sizing.md.

Usage: python -m bench.measurements.storage
"""

from bench.servers import ground, set_up_django

PLANS = [(1, 10_000), (100, 1000)]  # studies, trials of each
REPORTED, STEPS = 1000, 100  # trials with intermediate values, and how many of them
SIZES = """
    SELECT schemaname, sum(pg_table_size(oid)), sum(pg_indexes_size(oid))
    FROM pg_statio_user_tables JOIN pg_class ON oid = relid
    GROUP BY schemaname ORDER BY schemaname
"""


def main() -> None:
    with ground(None) as place:
        set_up_django(place.url)
        for studies, trials in PLANS:
            before = _sizes()
            _fill(studies, trials)
            _print(f"{studies} x {trials:,} trials, for a trial", before, studies * trials)
        before = _sizes()
        _report(REPORTED, STEPS)
        _print(f"{REPORTED:,} trials of {STEPS} values, for a value", before, REPORTED * STEPS)
        _close()


def _fill(studies: int, trials: int) -> None:
    from bench.fill import filled_study

    for i in range(studies):
        filled_study(f"{studies}-{i}", trials)


def _report(trials: int, steps: int) -> None:
    """Trials that are told with their curves, of which nearly only the curves count."""
    from bench.fill import ACTOR
    from optuna_bridge.enums import TrialState
    from studies.models import NamedStudy
    from trials.domain import TrialResult, ask_many, tell_many

    _create("reported")
    named = NamedStudy("reported")
    curve = {step: 1 / (step + 1) for step in range(steps)}
    result = TrialResult(state=TrialState.COMPLETE, values=[1.0], intermediate_values=curve)
    for _ in range(0, trials, 100):
        asked = ask_many(actor=ACTOR, named=named, count=100)
        tell_many(
            actor=ACTOR,
            named=named,
            results=[(trial.number, result) for trial in asked],
        )


def _create(name: str) -> None:
    from bench.fill import ACTOR
    from studies.domain import Definition, create_study

    space = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
    definition = Definition(name=name, search_space=space, sampler="random", pruner="none")
    create_study(actor=ACTOR, definition=definition, load_if_exists=False)


def _sizes() -> dict[str, tuple[int, int]]:
    """Bytes of the tables and of their indexes, of each schema."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(SIZES)
        return {schema: (int(table), int(index)) for schema, table, index in cursor.fetchall()}


def _print(what: str, before: dict[str, tuple[int, int]], n: int) -> None:
    after = _sizes()
    print(what)
    total = 0.0
    for schema, sizes in after.items():
        table, index = ((new - old) / n for new, old in zip(sizes, before[schema], strict=True))
        total += table + index
        print(f"  {schema:7} tables {table:7.0f}, indexes {index:7.0f} bytes")
    print(f"  together {total:.0f} bytes")


def _close() -> None:
    from tuner_project.db.database import close_pool

    close_pool()


if __name__ == "__main__":
    main()
