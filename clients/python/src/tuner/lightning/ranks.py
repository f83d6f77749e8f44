"""The trials of a study for all ranks of one training."""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any

from torch import distributed

from tuner._sync.study import Study
from tuner._sync.trial import Trial
from tuner._worker.outcomes import ends_trial_only
from tuner.errors import ConfigurationError

PATIENCE = timedelta(days=365)  # so long may a study be paused

_loops = itertools.count()  # of this process, and so of each rank


@dataclass
class SharedTrial:
    """The trial of the first rank, as the others have it: they report and tell nothing.

    Attributes:
        number: its number within the study.
        params: the parameters to evaluate.
        user_attrs: those that it had when it was handed out.
        next_step: the step to go on with after a restart.
    """

    number: int
    params: dict[str, Any]
    user_attrs: dict[str, Any]
    next_step: int

    def complete(
        self,
        values: Any,
        *,
        attrs: Mapping[str, Any] | None = None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """Do nothing: the first rank tells its own values."""

    def __enter__(self) -> "SharedTrial":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return error is not None and ends_trial_only(error)


def loop(
    study: Study, *, n_trials: int | None = None, timeout: float | None = None
) -> Iterator[Trial | SharedTrial]:
    """Yield the same trials on every rank, until the study ends.

    The first rank asks for them and tells their results. All ranks must run the same steps: an
    exception of one of them ends its process, and `torchrun` the others. With one process it is
    `study.loop`.

    Args:
        study: of the service.
        n_trials: end after so many trials.
        timeout: start no trial after so many seconds.

    Raises:
        ConfigurationError: the ranks were started by Lightning, when the first of them already had
            a trial.
    """
    channel = _connect()
    if channel is None:
        yield from study.loop(n_trials=n_trials, timeout=timeout)
    elif channel.rank == 0:
        for trial in study.loop(n_trials=n_trials, timeout=timeout):
            channel.send(SharedTrial(trial.number, trial.params, trial.user_attrs, trial.next_step))
            yield trial
        channel.send(None)
        channel.wait_for_readers()
    else:
        yield from channel.receive()


class _Channel:
    """Carries trials from the first rank to the others by the key-value store of their rendezvous.

    It needs no process group, whose backend Lightning chooses when a `Trainer` begins.
    """

    def __init__(self, store: distributed.Store, rank: int, n_ranks: int) -> None:
        self.rank = rank
        self._store = store
        self._others = range(1, n_ranks)
        self._sent = itertools.count()

    def send(self, trial: SharedTrial | None) -> None:
        """Send a trial; None ends the loops of the other ranks."""
        text = json.dumps(None if trial is None else asdict(trial))
        self._store.set(f"trial/{next(self._sent)}", text)

    def receive(self) -> Iterator[SharedTrial]:
        """Yield the trials that are sent."""
        for number in itertools.count():
            key = f"trial/{number}"
            self._store.wait([key], PATIENCE)
            trial = json.loads(self._store.get(key))
            if trial is None:
                break
            yield SharedTrial(**trial)
        self._store.set(f"end/{self.rank}", "")

    def wait_for_readers(self) -> None:
        """Wait until the others have read the end: the store may end with this process."""
        self._store.wait([f"end/{rank}" for rank in self._others], PATIENCE)


def _connect() -> _Channel | None:
    """Connect the ranks; None where there is only one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    if "RANK" not in os.environ:
        raise ConfigurationError(
            "the ranks must exist before the first trial: start them by torchrun, as in "
            "torchrun --nproc-per-node 2 train.py"
        )
    store, rank, n_ranks = next(distributed.rendezvous("env://"))
    prefix = f"tuner.lightning/{next(_loops)}"
    return _Channel(distributed.PrefixStore(prefix, store), rank, n_ranks)
