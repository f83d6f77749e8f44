"""What all parts of a study's interface build on: its name, its definition, its client."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuner._sync.transport import Transport
from tuner._wire.requests import Request, present, study_path
from tuner.answers import StudyInfo
from tuner.direction import Direction
from tuner.errors import SpaceMismatch
from tuner.space import SearchSpace, read_space

if TYPE_CHECKING:
    from tuner._sync.client import Client

_log = logging.getLogger("tuner")


class StudyBase:
    """A study by its name.

    Args:
        client: by which it is reached.
        name: of the study.
        info: the study as it was read; None before `optimize` has created it from the first trial.
        definition: with which to create it then.
    """

    def __init__(
        self,
        client: "Client",
        name: str,
        info: StudyInfo | None,
        definition: Mapping[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.name = name
        self._definition = dict(definition or {})
        self._stopped = False
        self._warned: set[str] = set()
        self._info = info
        self._space: SearchSpace | None = None

    def warn_once(self, message: str) -> None:
        """Log a warning, unless this object has logged it."""
        if message not in self._warned:
            self._warned.add(message)
            _log.warning("%s", message)

    @property
    def study_name(self) -> str:
        """The name of the study: Optuna's name of `name`."""
        return self.name

    @property
    def user_attrs(self) -> dict[str, Any]:
        """The user attributes of the study, as it was read."""
        return dict(self.info.user_attrs or {})

    @property
    def transport(self) -> Transport:
        """The way to the service."""
        return self.client.transport

    @property
    def is_created(self) -> bool:
        """False for a study without a search space that `optimize` will create."""
        return self._info is not None

    @property
    def info(self) -> StudyInfo:
        """The study as it was read or created.

        Raises:
            SpaceMismatch: the study has no search space yet, so that it does not exist.
        """
        if self._info is None:
            raise SpaceMismatch(
                f'study "{self.name}" does not exist yet, since it has no search space: pass '
                "`space` to `create_study`, or call `optimize`, which takes it from the first trial"
            )
        return self._info

    @property
    def space(self) -> SearchSpace:
        """The search space: for each parameter its distribution."""
        if self._space is None:
            self._space = read_space(self.info.search_space or [])
        return self._space

    @property
    def directions(self) -> list[Direction]:
        """The direction of each objective."""
        given = self.info.direction if self.is_created else self._definition["direction"]
        return [Direction[word.upper()] for word in ([given] if isinstance(given, str) else given)]

    @property
    def direction(self) -> Direction:
        """The direction of the only objective; equal to Optuna's `StudyDirection`.

        Raises:
            ValueError: the study has several objectives.
        """
        directions = self.directions
        if len(directions) > 1:
            raise ValueError(
                f'study "{self.name}" has {len(directions)} objectives: use directions'
            )
        return directions[0]

    @property
    def url(self) -> str:
        """The address of the study's page in the admin, for people."""
        return f"{self.transport.settings.url}/admin/studies/study/{self.info.study_id}/change/"

    def path(self, *rest: str) -> str:
        """Return the path of the study, or of something of it, below `/api/v1`.

        Raises:
            SpaceMismatch: the study does not exist yet.
        """
        return study_path(self.info.study_name, *rest)

    def _post(self, *path: str, **body: Any) -> Any:
        """Send a request that may be repeated; keys that are None are left out."""
        return self.transport.json(Request("POST", self.path(*path), present(**body)))

    def _post_once(self, *path: str, body: Any) -> Any:
        """Send a request that the service would carry out twice if it came twice."""
        request = Request("POST", self.path(*path), body, is_repeatable=False)
        return self.transport.json(request)

    def _get(self, *path: str, **query: Any) -> Any:
        return self.transport.json(Request("GET", self.path(*path), query=query))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"
