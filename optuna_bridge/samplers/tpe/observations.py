"""The trials of which a density is made."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from optuna_bridge.samplers.trial_columns import TrialColumns

_MAX_KEPT = 1_000_000  # numbers of all parameters together; 8 MB


class Observations(Mapping[str, np.ndarray]):
    """The parameters of some trials: an array (trials,) by name, ordered by the trials' numbers.

    Trials that lack one of the parameters are left out. If all parameters may take more memory than
    there is, one is read when it is needed.
    """

    def __init__(
        self,
        columns: TrialColumns,
        names: Sequence[str],
        numbers: np.ndarray,
        drafted: Mapping[int, Sequence[float]] | None = None,
    ) -> None:
        """Take the numbered trials of the columns, and the parameters of drafts by their number."""
        self._columns, self._rows = columns, columns.rows_of(names)
        self._places = {name: place for place, name in enumerate(names)}
        self._numbers, self._order = numbers, None
        self._drafted: np.ndarray | None = None
        if drafted:
            self._drafted = np.array(list(drafted.values())).reshape(-1, len(names)).T
            self._order = np.argsort(np.concatenate([numbers, list(drafted)]), kind="stable")
        n = len(numbers) if self._order is None else len(self._order)
        self._kept: np.ndarray | None = None
        if n * len(names) <= _MAX_KEPT:
            read = self._read(slice(None))
            lacks_one = np.isnan(read).any(axis=0)
            self._kept = read[:, ~lacks_one] if lacks_one.any() else read
            self.n_trials = self._kept.shape[1]
        else:
            self._leave_out_incomplete(n)

    def _leave_out_incomplete(self, n: int) -> None:
        lacks_one = np.zeros(n, dtype=bool)
        for place in range(len(self)):
            lacks_one |= np.isnan(self._read(place))
        order = np.arange(n) if self._order is None else self._order
        self._order = order[~lacks_one]
        self.n_trials = len(self._order)

    def _read(self, places: int | slice) -> np.ndarray:
        """Return parameters (parameters, trials), or one of them."""
        found: np.ndarray = self._columns.internal_params[self._rows[places]]
        found = found.take(self._numbers, axis=-1)
        if self._drafted is not None:
            found = np.concatenate([found, self._drafted[places]], axis=-1)
        return found if self._order is None else found.take(self._order, axis=-1)

    def __getitem__(self, name: str) -> np.ndarray:
        place = self._places[name]
        return self._read(place) if self._kept is None else self._kept[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
