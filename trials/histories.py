"""The histories that this process keeps."""

import os
import threading
from collections import OrderedDict

from django.conf import settings
from django.db import connection

from studies.models import Study
from trials.history import History


class Histories:
    """Histories by study, the least recently used ones dropped beyond HISTORY_MAX_TRIALS."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_study: OrderedDict[int, History] = OrderedDict()

    def of(self, study: Study) -> History:
        """The study's history, which the caller brings up to date."""
        if connection.in_atomic_block:
            # It will see rows that may be rolled back, and must not outlive them.
            return History(study)
        with self._lock:
            history = self._by_study.get(study.id)
            if history is None:
                history = self._by_study[study.id] = History(study)
            self._by_study.move_to_end(study.id)
            self._drop_oldest()
            return history

    def clear(self) -> None:
        with self._lock:
            self._by_study.clear()

    def _drop_oldest(self) -> None:
        held = sum(len(history) for history in self._by_study.values())
        while held > settings.HISTORY_MAX_TRIALS and len(self._by_study) > 1:
            _, oldest = self._by_study.popitem(last=False)
            held -= len(oldest)


histories = Histories()

# A forked process must neither repeat its parent's random numbers nor inherit a locked lock.
os.register_at_fork(after_in_child=histories.__init__)  # type: ignore[misc]
