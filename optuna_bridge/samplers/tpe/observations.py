"""The trials of which a density is made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from optuna_bridge.samplers.trial_columns import TrialColumns


class Observations(Mapping[str, np.ndarray]):
    """The parameters of some trials: an array (trials,) by name, ordered by the trials' numbers.

    Trials that lack one of the parameters are left out. A parameter is read when it is needed,
    since all of them may take more memory than there is.
    """

    def __init__(
        self,
        columns: TrialColumns,
        names: Iterable[str],
        numbers: np.ndarray,
        drafted: Mapping[int, Sequence[float]] | None = None,
    ) -> None:
        """Take the numbered trials of the columns, and the parameters of drafts by their number."""
        self._columns, self._names, self._numbers = columns, list(names), numbers
        drafted = drafted or {}
        points = np.array(list(drafted.values())).reshape(len(drafted), len(self._names))
        self._drafted = dict(zip(self._names, points.T, strict=True))
        self._order = np.argsort(np.concatenate([numbers, list(drafted)]), kind="stable")
        lacks_one = np.zeros(len(self._order), dtype=bool)
        for name in self._names:
            lacks_one |= np.isnan(self[name])
        self._order = self._order[~lacks_one]

    @property
    def n_trials(self) -> int:
        return len(self._order)

    def __getitem__(self, name: str) -> np.ndarray:
        committed = self._columns.of_param(name)[self._numbers]
        return np.concatenate([committed, self._drafted[name]])[self._order]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
