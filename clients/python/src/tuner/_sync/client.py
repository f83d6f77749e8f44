"""The client of the service."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from tuner._sync.study import Study
from tuner._sync.transport import Transport
from tuner._sync.webhooks import Webhooks
from tuner._wire.definition import as_body
from tuner._wire.library import httpx
from tuner._wire.requests import Request, present, study_path
from tuner._worker.identity import find_identity
from tuner.answers import StudyInfo
from tuner.config import read_settings
from tuner.errors import NotFound

TIMEOUT_SECONDS = 60.0
DEADLINE_SECONDS = 900.0


class Client(Webhooks):
    """A connection to the service. It can be shared by threads, and pickled.

    Args:
        url: of the service; by default `TUNER_URL`, then `~/.config/tuner.toml`.
        token: by default `TUNER_TOKEN`, then that of the file.
        worker_id: the name of this worker, unique among those that run at a time; by default that
            of the scheduler (see `tuner._worker.identity`).
        timeout: seconds for one attempt of a request.
        deadline: seconds for all attempts of a request: so long an outage may be.
        transport: of the HTTP library: tests pass one that runs the service in the process.

    Raises:
        ConfigurationError: there is no URL, or it cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        worker_id: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        deadline: float = DEADLINE_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._worker_id = worker_id
        self.transport = Transport(
            read_settings(url, token), timeout=timeout, deadline=deadline, transport=transport
        )

    @property
    def worker_id(self) -> str:
        """The name of this worker; its slots add a number to it."""
        return find_identity(self._worker_id)

    def create_study(
        self,
        name: str,
        *,
        space: Mapping[str, Any] | None = None,
        load_if_exists: bool = True,
        **definition: Any,
    ) -> Study:
        """Create a study, or load it if it exists with the same definition.

        Args:
            name: of the study.
            space: for each parameter a `Float`, `Int`, `Categorical` or `Ordinal`, or a
                distribution of Optuna. Left out, an existing study is loaded, and a missing one is
                created by `optimize`, from the parameters that the objective asks for, and as in
                Optuna to be minimized where `direction` is left out.
            load_if_exists: False insists on a new study.
            definition: keys of the API's `createStudy`: `direction`, `sampler`, `pruner`,
                `parameter_constraints`, `max_trials`, `lease_seconds`, `max_retries`, `tags`,
                `note`, …

        Raises:
            ApiError: code `study_conflict`: it exists with another definition; `study_exists`.
            Invalid: the definition is wrong; `errors` says where.
            ValueError: `parameter_constraints` of a missing study without `space`.
        """
        study_path(name)  # checks the name
        if space is None and "search_space" not in definition:
            return self._load_or_define(name, load_if_exists, definition)
        body = {"name": name, **as_body({"space": space, **definition})}
        request = Request(
            "POST",
            "/studies",
            {**body, "load_if_exists": load_if_exists},
            is_repeatable=load_if_exists,
        )
        return Study(self, name, StudyInfo.read(self.transport.json(request)))

    def _load_or_define(
        self, name: str, load_if_exists: bool, definition: Mapping[str, Any]
    ) -> Study:
        """Load a study by its name, and compare it with a definition that has no search space."""
        try:
            study = self.get_study(name)
        except NotFound:
            if definition.get("parameter_constraints"):
                raise ValueError(
                    f'there is no study "{name}", and parameter_constraints need `space`: the '
                    "client draws the first trial of a study without one, and might violate them"
                ) from None
            # Optuna's default, since the objective was written for it.
            keys = {"direction": "minimize", **definition, "load_if_exists": load_if_exists}
            return Study(self, name, None, keys)
        keys = {**definition, "search_space": study.info.search_space}
        return self.create_study(name, load_if_exists=load_if_exists, **keys)

    def get_study(self, name: str) -> Study:
        """Load a study.

        Raises:
            NotFound: there is none of this name.
        """
        answer = self.transport.json(Request("GET", study_path(name)))
        return Study(self, name, StudyInfo.read(answer))

    def studies(self, **query: Any) -> list[StudyInfo]:
        """Return the studies, the newest first.

        Args:
            query: filters and the order of the API's `listStudies`: `name`, `state`, `sampler`,
                `tag` (one, or a list of which a study has all), `order_by`, `limit`, `offset`.
        """
        answer = self.transport.json(Request("GET", "/studies", query=query))
        return [StudyInfo.read(study) for study in answer]

    def compare(
        self,
        *names: str,
        target: float | None = None,
        target_idx: int | None = None,
        reference_point: Sequence[float] | None = None,
        rows: str | None = None,
    ) -> dict[str, Any]:
        """Compare studies: `headline` says which is better, `studies` has the curves of each.

        Args:
            names: of 2 to 8 studies with the same directions.
            target: the value that they are to reach; by default the one that all have reached.
            target_idx: the objective; by default, of several, the hypervolume.
            reference_point: for the hypervolume: the worst values that matter.
            rows: `differing` (the default) or `all` settings.

        Raises:
            NotFound: one of the studies does not exist.
            ApiError: code `studies_not_comparable`: their directions differ.
        """
        point = None if reference_point is None else ",".join(map(repr, reference_point))
        query = present(
            names=names, target=target, target_idx=target_idx, reference_point=point, rows=rows
        )
        request = Request("GET", "/studies/compare", query=query)
        compared: dict[str, Any] = self.transport.json(request)
        return compared

    def delete_study(self, name: str) -> None:
        """Delete a study with its trials."""
        self.transport.send(Request("DELETE", study_path(name)))

    def import_studies(
        self, lines: bytes, *, conflict: str | None = None, dry_run: bool | None = None
    ) -> dict[str, Any]:
        """Import studies.

        Args:
            lines: what `export` returned; several exports may follow each other.
            conflict: what to do with a name that exists: `fail` (the default), `skip`, `rename`.
            dry_run: only say what would be done.
        """
        query = present(conflict=conflict, dry_run=dry_run)
        request = Request("POST", "/studies/import", query=query, lines=lines, is_repeatable=False)
        imported: dict[str, Any] = self.transport.json(request)
        return imported

    def health(self) -> dict[str, Any]:
        """Return the state and the version of the service."""
        answer: dict[str, Any] = self.transport.json(Request("GET", "/health"))
        return answer

    def ready(self) -> dict[str, Any]:
        """Return whether the service takes requests; waits until it does, or the deadline."""
        answer: dict[str, Any] = self.transport.json(Request("GET", "/ready"))
        return answer

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
