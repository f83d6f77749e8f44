"""The sampler sessions that this process keeps in memory."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db import connection

from studies.errors import SamplerUnavailable, SamplerUnsuited, StudyBusy, StudyNotFound
from studies.models import NamedStudy, Study
from trials.sampling.session import SamplerSession
from trials.sampling.trial_cache import SessionOutdated
from tuner_project.errors import DomainError

Result = TypeVar("Result")


class SessionRegistry:
    """An LRU cache of sessions by study, limited to HISTORY_MAX_TRIALS trials in total.

    A trial of many parameters, steps or constraints weighs more (`SamplerSession.size`).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: OrderedDict[str, SamplerSession] = OrderedDict()

    def use(self, named: NamedStudy, action: Callable[[SamplerSession], Result]) -> Result:
        """Call `action` with the session of the named study, and return its result.

        If the session is known, the study is not read: the action itself finds out that the session
        is outdated, because a result was invalidated or the search space has changed. Then it is
        repeated with a new session. It is also repeated, with the study that has the name now, if
        it fails because the study was deleted, be it with `StudyNotFound` or since the sampler
        cannot draw.

        Raises:
            StudyNotFound: there is no study with this name.
        """
        session = self.known(named.name)
        if session is not None:
            try:
                return action(session)
            except (StudyNotFound, SessionOutdated):
                self.forget(session)
            except Exception as error:
                if _has_read_the_study(error) or self._is_current(session):
                    raise
                self.forget(session)
        return self.use_anew(named.one(), action)

    def use_anew(self, study: Study, action: Callable[[SamplerSession], Result]) -> Result:
        """Call `action` with the session of a study, again with a new one if it is outdated."""
        while True:
            session = self.of(study)
            try:
                return action(session)
            except SessionOutdated:  # a result was invalidated, or the space changed, meanwhile
                self.forget(session)
                study = NamedStudy(study.name).one()

    def known(self, name: str) -> SamplerSession | None:
        """Return the session of the study that had this name when last read, or None."""
        if connection.in_atomic_block:
            return None
        with self._lock:
            session = self._by_name.get(name)
            if session is not None:
                self._use(session)
            return session

    def of(self, study: Study) -> SamplerSession:
        """Return the session of a study; the caller calls its `sync`."""
        if connection.in_atomic_block:
            # It may read rows that are rolled back later, so it must not be kept.
            return SamplerSession(study)
        with self._lock:
            session = self._by_name.get(study.name)
            if session is None or _is_older(session.study, study):
                session = self._by_name[study.name] = SamplerSession(study)
            self._use(session)
            return session

    def forget(self, session: SamplerSession) -> None:
        """Drop a session of a study that was deleted, or that is outdated."""
        with self._lock:
            if self._by_name.get(session.study.name) is session:
                del self._by_name[session.study.name]

    @staticmethod
    def _is_current(session: SamplerSession) -> bool:
        """Return whether the session's study exists, with the session's search space."""
        these = Study.objects.filter(id=session.study.id)
        return these.filter(search_space_version=session.study.search_space_version).exists()

    def use_of_memory(self) -> tuple[int, int, int]:
        """Return the number of sessions, of their trials, and the trials' estimated bytes."""
        with self._lock:
            kept = list(self._by_name.values())
        return len(kept), sum(map(len, kept)), sum(each.estimated_bytes for each in kept)

    def clear(self) -> None:
        with self._lock:
            self._by_name.clear()

    def _use(self, session: SamplerSession) -> None:
        self._by_name.move_to_end(session.study.name)
        held = sum(session.size for session in self._by_name.values())
        while held > settings.HISTORY_MAX_TRIALS and len(self._by_name) > 1:
            _, oldest = self._by_name.popitem(last=False)
            held -= oldest.size


def _is_older(known: Study, read: Study) -> bool:
    """Return whether a known study is another one than was read, or has an earlier space."""
    return known.id != read.id or known.search_space_version < read.search_space_version


def _has_read_the_study(error: Exception) -> bool:
    """Return whether an error says that the study existed; a sampler's own error does not."""
    of_sampler = SamplerUnavailable | SamplerUnsuited | StudyBusy
    return isinstance(error, DomainError) and not isinstance(error, of_sampler)


session_registry = SessionRegistry()

# A forked process must neither repeat its parent's random numbers nor inherit a locked lock.
os.register_at_fork(after_in_child=session_registry.__init__)  # type: ignore[misc]
