"""The definitions of studies that this process has read: only a change of the space changes them.

A search space may have a megabyte, and each tell reads and locks its study.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studies.models.study import Study

# Fields of a study that are as they were at its creation, or since its search space has changed.
FIELDS = (
    "directions",
    "direction_is_list",
    "search_space",
    "distributions",
    "current_space",
    "sampler",
    "sampler_options",
    "pruner",
    "pruner_options",
    "constraints",
    "parameter_constraints",
    "duplicates",
    "pruning_direction",
    "repeats",
    "created_with",
)
# Of the distributions of all known studies; in memory a definition takes some ten bytes for each.
MAX_CHARACTERS = 2_000_000
_OF_STUDY = 500  # characters that a study counts for, besides its distributions


@dataclass(frozen=True)
class Definition:
    """What is fixed of a study, among it a version of its search space with distributions."""

    study_id: int
    created_at: datetime
    version: int
    attributes: dict[str, Any]
    n_characters: int

    @classmethod
    def of(cls, study: Study) -> "Definition":
        attributes = {field: getattr(study, field) for field in FIELDS}
        attributes |= {"space": study.space, "current": study.current}
        n_spaces = 1 if study.current.is_stored else 2
        texts = (*study.distributions, *study.parameter_constraints)
        n_characters = _OF_STUDY + n_spaces * sum(map(len, texts))
        version = study.search_space_version
        return cls(study.id, study.created_at, version, attributes, n_characters)

    def is_of(self, study: Study) -> bool:
        """Return whether it is the definition of a study that was read without it."""
        read = study.id, study.created_at, study.search_space_version
        return read == (self.study_id, self.created_at, self.version)

    def complete(self, study: Study) -> None:
        """Set the attributes of a study that was read without them."""
        study.__dict__.update(self.attributes)


class DefinitionCache:
    """An LRU cache of definitions by the name of the study."""

    def __init__(self, max_characters: int = MAX_CHARACTERS) -> None:
        self._lock = threading.Lock()
        self._by_name: OrderedDict[str, Definition] = OrderedDict()
        self._max_characters = max_characters
        self._n_characters = 0

    def get(self, name: str) -> Definition | None:
        """Return the definition of the study that had this name when last read, or None."""
        with self._lock:
            found = self._by_name.get(name)
            if found is not None:
                self._by_name.move_to_end(name)
            return found

    def add(self, study: Study) -> None:
        """Keep the definition of a study that was read, in place of another of its name."""
        added = Definition.of(study)
        with self._lock:
            if (replaced := self._by_name.pop(study.name, None)) is not None:
                self._n_characters -= replaced.n_characters
            self._by_name[study.name] = added
            self._n_characters += added.n_characters
            while self._n_characters > self._max_characters:
                _, dropped = self._by_name.popitem(last=False)
                self._n_characters -= dropped.n_characters

    def clear(self) -> None:
        with self._lock:
            self._by_name.clear()
            self._n_characters = 0


definitions = DefinitionCache()
