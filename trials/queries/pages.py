"""Pages of the list of trials, and the cursors that lead to the next one."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core import signing
from django.db.models import Count

from studies.models import Study
from trials.errors import InvalidQuery
from trials.models import Trial
from trials.queries.filters import TrialFilter
from trials.queries.ordering import NUMBER, Position, TrialOrdering
from trials.queries.page_size import PageBytes

SALT = "trials.listing"  # of the cursors' signature; a change would invalidate all cursors
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Listed:
    """A page: its trials, the number of trials on all pages, and the next page's cursor."""

    trials: list[Trial]
    total: int
    is_plain: bool  # whether the next page is addressed by an offset instead of a cursor
    cursor: str | None = None


def list_trials(
    *,
    study: Study,
    limit: int,
    offset: int,
    cursor: str | None = None,
    order_by: str = NUMBER,
    target_idx: int = 0,
    **conditions: Any,
) -> Listed:
    """Return a page of the matching trials, after a cursor or an offset.

    It ends early once its trials have MAX_PAGE_BYTES.

    Args:
        study: The study.
        limit: The greatest length of the page.
        offset: The number of trials before the page.
        cursor: The position at which the page begins, instead of an offset.
        order_by: One of `ORDERS`, or `user_attr.KEY` or `constraint.NAME`; - means descending.
        target_idx: The index of the objective that the order and a condition on `value` are about.
        conditions: Fields of a `TrialFilter`.

    Raises:
        InvalidQuery: The study does not have the objective, a parameter or a constraint, a value is
            outside the space, or the cursor is not valid for this list.
    """
    walk = TrialOrdering.of(study, order_by, target_idx)
    wanted = TrialFilter(objective=target_idx, **conditions)
    state = wanted.state
    if wanted.by_state_alone and order_by == NUMBER and cursor is None:
        return _plain(study, state, limit, offset)
    trials = wanted.of(study)
    left = PageBytes.of(study)
    after = None if cursor is None else _opened(cursor, study, walk)
    known = _tally(study, state) if wanted.by_state_alone else None
    if offset > 0 and walk.key is not None:
        counts = trials.aggregate(all=Count("pk"), keyed=Count(walk.key))
        found = walk.page_at(trials.with_steps(), limit + 1, offset, counts["keyed"], left.read)
        known = counts["all"]
    elif offset > 0:
        found = walk.page_at(trials.with_steps(), limit + 1, offset, read=left.read)
    else:
        found = walk.page(trials.with_steps(), limit + 1, after, left.read)
    page = found[:limit]
    has_more = len(found) > limit or (left.are_used and bool(found))
    return Listed(
        trials=page,
        total=trials.count() if known is None else known,
        is_plain=False,
        cursor=_cursor(study, walk, page[-1]) if has_more else None,
    )


def _plain(study: Study, state: str | None, limit: int, offset: int) -> Listed:
    """Return a page by number; without `state`, any offset costs the same."""
    if state is None:
        trials, start = study.trials.from_number(offset), 0
    else:
        trials, start = study.trials.from_number(0).filter(state=state), offset
    found = PageBytes.of(study).read(trials, start, start + limit)
    return Listed(found, _tally(study, state), is_plain=True)


def _tally(study: Study, state: str | None) -> int:
    return study.n_trials if state is None else study.trial_counts[state]


# Cursors ---------------------------------------------------------------------------------


def _list_of(study: Study, walk: TrialOrdering) -> list[Any]:
    """Return what identifies the list in which a cursor is valid."""
    return [study.id, walk.order_by, walk.index]


def _cursor(study: Study, walk: TrialOrdering, last: Trial) -> str:
    """Return a cursor to the position after a trial. JSON preserves numbers exactly."""
    key, number = walk.position(last)
    if isinstance(key, timedelta):
        key = key // MICROSECOND
    return signing.dumps([*_list_of(study, walk), key, number], salt=SALT)


def _opened(cursor: str, study: Study, walk: TrialOrdering) -> Position:
    try:
        *of, key, number = signing.loads(cursor, salt=SALT)
    except signing.BadSignature:
        raise _invalid("expected a cursor from the Link to the next page, unchanged") from None
    if of != _list_of(study, walk):
        raise _invalid("this cursor is for another study, order_by or target_idx: leave it out")
    return (key * MICROSECOND if isinstance(key, int) else key), number


def _invalid(fault: str) -> InvalidQuery:
    return InvalidQuery(f"cursor: {fault}", [(("cursor",), fault)])
