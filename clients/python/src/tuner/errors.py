"""The errors of the client. Those of the service are told apart by the `code` of its answer."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class TunerError(Exception):
    """Base class of the client's errors."""


class ConfigurationError(TunerError):
    """The client has no address of a service, or a setting that it cannot use."""


class ConnectionFailed(TunerError):
    """The service could not be reached, or its answer was lost, until the deadline."""


class SpaceMismatch(TunerError):
    """An objective asks for a parameter that the study has not, or has with other bounds."""


class FieldError(NamedTuple):
    """What is wrong with one value of a request, and where it is (a JSON pointer)."""

    pointer: str
    detail: str


class ApiError(TunerError):
    """The service refused a request.

    Args:
        status: the HTTP status.
        code: the stable code of the problem, such as `study_not_found`.
        detail: a sentence that says what was wrong.
        errors: what is wrong with the body, value by value.
        request_id: by which the log of the service names the request, or None.
        problem: the whole answer, for the members that some codes have.
        retry_after: the seconds after which to try again, or None.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        request_id: str | None = None,
        problem: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        # All of them, in order, so that the error can be pickled.
        super().__init__(status, code, detail, errors, request_id, problem, retry_after)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.request_id = request_id
        self.problem = dict(problem or {})
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}"


class Invalid(ApiError):
    """The request is wrong in itself; `errors` says where."""

    def is_about(self, key: str) -> bool:
        """Tell whether a key of the body, or something in it, is wrong."""
        return any(f"{each.pointer}/".startswith(f"/{key}/") for each in self.errors)


class NotFound(ApiError):
    """There is no such study, trial or result, or the token may not see it."""


class Forbidden(ApiError):
    """There is no valid token, or it has not the scope that the request needs."""


class StudyNotOpen(ApiError):
    """The study hands out no trials."""

    @property
    def reason(self) -> str:
        """The budget that was used up, or the text of who paused or ended the study."""
        return str(self.problem.get("reason") or "")


class StudyEnded(StudyNotOpen):
    """The study is completed or cancelled: it hands out no more trials."""


class StudyPaused(StudyNotOpen):
    """The study is paused: it hands out trials again after `resume`."""


class FixedValuesExhausted(ApiError):
    """The study avoids duplicates, and has no other point with the fixed values."""


class LeaseLost(ApiError):
    """The trial was ended without this worker (`code` says how), and may run elsewhere by now."""


class NotHolder(LeaseLost):
    """The trial was given to another worker."""


class StudyReplaced(LeaseLost):
    """The study was deleted and created again: the trial belongs to the old one."""


class Busy(ApiError):
    """The service or the study cannot serve the request now: try again later."""


class TellFailed(TunerError):
    """Some results of a batch were refused: `errors` has one for each of their trials."""

    def __init__(self, errors: dict[int, ApiError]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return "; ".join(f"trial {trial_id}: {error}" for trial_id, error in self.errors.items())


class StudyStopped(Exception):
    """The results of running trials are not needed any more: end the evaluation."""


_BY_CODE: dict[str, type[ApiError]] = {
    "study_completed": StudyEnded,
    "study_cancelled": StudyEnded,
    "study_paused": StudyPaused,
    "fixed_values_exhausted": FixedValuesExhausted,
    "lease_lost": LeaseLost,
    "trial_finished": LeaseLost,
    "not_holder": NotHolder,
    "study_replaced": StudyReplaced,
    "study_busy": Busy,
}
_BY_STATUS: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    429: Busy,
}


def read_problem(
    problem: Mapping[str, Any],
    *,
    status: int = 0,
    request_id: str | None = None,
    retry_after: float | None = None,
) -> ApiError:
    """Return the error for a problem document (RFC 9457), or for an answer without one (`{}`)."""
    status = status or int(problem["status"])
    code = problem["code"] if isinstance(problem.get("code"), str) else f"http_{status}"
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, ApiError)
    return kind(
        status,
        code,
        str(problem.get("detail") or f"the answer has the status {status}"),
        _read_fields(problem.get("errors")),
        problem.get("request_id") or request_id,
        dict(problem),
        retry_after,
    )


def _read_fields(errors: Any) -> tuple[FieldError, ...]:
    """Return the errors of the fields; a proxy's answer may have others under this name."""
    return tuple(
        FieldError(str(each.get("pointer", "")), str(each.get("detail", "")))
        for each in (errors if isinstance(errors, list) else ())
        if isinstance(each, Mapping)
    )
