"""Reading and validating the lines of a file, as studies and trials that are not stored yet."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError

from optuna_bridge.constraints import constraints_of, total_violation
from optuna_bridge.enums import TrialState
from optuna_bridge.system_attrs import FIXED_PARAMS, METRIC_NAMES
from studies.domain import new_study
from studies.domain.change_search_space import constrain
from studies.models import SearchSpaceVersion, Study
from transfer.file.attachments import attach
from transfer.file.format import Document, parents
from transfer.file.line import BadLine, Line
from transfer.file.lines import (
    EndLineSerializer,
    StudyLineSerializer,
    TrialLineSerializer,
    usable_metric_names,
)
from transfer.file.repeats import RepeatGroups
from transfer.file.retries import RetryLinks
from transfer.file.space_versions import read_versions, unlike_last
from transfer.file.system_attrs import DroppedAttributes, note_faults
from trials.models import Trial
from tuner_project.errors import DomainError, FieldError
from tuner_project.json_values import same_json
from tuner_project.rest.parsers import MAX_DEPTH, strict_json

MAX_LINE = 16 * 2**20  # bytes

_STUDY, _TRIAL, _END = StudyLineSerializer(), TrialLineSerializer(), EndLineSerializer()
_BOM = b"\xef\xbb\xbf"


def lines_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file or request body; a line above MAX_LINE is split."""
    while line := stream.readline(MAX_LINE + 1):
        yield line


class Section:
    """A study in a file: `study`, which is not stored yet, and an iterator over its trials.

    `notes` maps the number of each trial read so far to its `study_attrs`, the attributes that the
    sampler set on the study when it drew the trial; parents are given by trial number. `dropped`
    are the attributes of the trials read so far that are not on the allow-list, and those of
    another type if `drops_misshapen`; otherwise these are errors.
    """

    def __init__(self, head: Line, rest: Iterator[Line], *, drops_misshapen: bool = False) -> None:
        self._head = self._last = head
        self._rest = rest
        self._drops_misshapen = drops_misshapen
        self._note_lines: dict[int, int] = {}  # from the number of a trial
        self.notes: dict[int, Mapping[str, Any]] = {}
        self.dropped = DroppedAttributes()
        self.versions: list[SearchSpaceVersion] = []  # none if the space has never changed
        attrs = head.read(_STUDY)
        self.study = _study(head, attrs)
        self._repeats = RepeatGroups(self.study)
        self.name = self.study.name  # in the file
        self.n_trials = 0
        if attrs["version"] > 1:
            self.versions = read_versions(self.study, attrs["version"], self._next_line)
            definition = attrs["definition"]
            if faults := unlike_last(self.study, definition.search_space):
                raise BadLine.at(head.number, faults)
            with _at(head):
                constrain(self.study, definition.parameter_constraints or ())

    @property
    def old_metric_names(self) -> list[str] | None:
        """The metric names of a file in which they are an attribute that a trial has set.

        Studies have them themselves since the line of a study has the key.
        """
        if "metric_names" in self._head.document:
            return None
        found = (notes[METRIC_NAMES] for notes in self.notes.values() if METRIC_NAMES in notes)
        return usable_metric_names(next(found, None), len(self.study.directions))

    def trials(self) -> Iterator[tuple[Trial, int]]:
        """Yield each trial and its size in bytes, up to the study's end line."""
        links = RetryLinks()
        for line in self._rest:
            self._last = line
            if line.kind == "end":
                self._end(line, links)
                return
            yield self._trial(line, links), line.size
        self._cut_off()

    def _next_line(self) -> Line:
        self._last = next(self._rest, None) or self._cut_off()
        return self._last

    def _cut_off(self) -> NoReturn:
        text = f'the file ends within study "{self.name}": it was cut off'
        raise BadLine.whole(self._last.number + 1, text)

    def _trial(self, line: Line, links: RetryLinks) -> Trial:
        if line.kind != "trial":
            text = f'expected a trial or the end of study "{self.name}"'
            raise line.bad(f"{text}, not {line.kind!r:.80}", "kind")
        attrs = line.read(_TRIAL)
        self.dropped.drop_foreign(attrs)
        if self._drops_misshapen:
            self.dropped.drop_misshapen(self.study, attrs)
        if attrs["number"] != self.n_trials:
            raise line.bad(f"expected trial {self.n_trials}, not {attrs['number']}", "number")
        faults = [*_faults(self.study, attrs), *links.faults(line.number, attrs)]
        faults = faults or list(self._repeats.faults(attrs))
        if faults:
            raise BadLine.at(line.number, faults)
        self.n_trials += 1
        if notes := attrs.pop("study_attrs", None):
            self.notes[attrs["number"]] = notes
            self._note_lines[attrs["number"]] = line.number
        return _new_trial(self.study, attrs)

    def _end(self, line: Line, links: RetryLinks) -> None:
        end = line.read(_END)
        if end["study_name"] != self.name:
            raise line.bad(f'expected the end of study "{self.name}"', "study_name")
        if end["n_trials"] != self.n_trials:
            text = (
                f"the study should have {end['n_trials']} trials, but the file has {self.n_trials}"
            )
            raise line.bad(text, "n_trials")
        if awaited := links.awaited():
            number, text = awaited
            raise BadLine.at(number, [FieldError(("retried_as",), text)])
        for trial, notes in self.notes.items():
            for key, trials in parents(notes):
                if not all(0 <= each < self.n_trials for each in trials):
                    fault = FieldError(("study_attrs", key), "it names trials that do not exist")
                    raise BadLine.at(self._note_lines[trial], [fault])


def sections(lines: Iterable[bytes], *, drops_misshapen: bool = False) -> Iterator[Section]:
    """Yield the studies of a file; the trials of each must be read before the next study.

    Args:
        lines: The lines of the file.
        drops_misshapen: Whether allowed system attributes of another type are left out.

    Raises:
        BadLine: A line is invalid.
    """
    read = _documents(lines)
    is_empty = True
    for line in read:
        is_empty = False
        if line.kind != "study":
            raise line.bad(f"expected a study, not {line.kind!r:.80}", "kind")
        yield Section(line, read, drops_misshapen=drops_misshapen)
    if is_empty:
        raise BadLine.whole(1, "the file is empty: expected a study")


def _documents(lines: Iterable[bytes]) -> Iterator[Line]:
    """Parse the lines; blank lines are allowed only at the end."""
    blank = 0
    for number, text in enumerate(lines, 1):
        if number == 1:
            text = text.removeprefix(_BOM)
        if len(text) > MAX_LINE:
            raise BadLine.whole(number, f"it is longer than {MAX_LINE} bytes")
        if not text.strip():
            blank = blank or number
            continue
        if blank:
            raise BadLine.whole(blank, "it is blank, but more lines follow")
        yield Line(number, _document(number, text), len(text))


def _document(number: int, text: bytes) -> Document:
    try:
        # A study's user attributes are nested one level deeper here than in the create request.
        document = strict_json(text, what="it", max_depth=MAX_DEPTH + 1)
    except ParseError as error:
        raise BadLine.whole(number, str(error.detail)) from None
    if not isinstance(document, dict):
        raise BadLine.whole(number, "expected a JSON object")
    return document


@contextmanager
def _at(line: Line) -> Iterator[None]:
    """Raise the service's refusals within the block as errors of a line."""
    try:
        yield
    except DomainError as error:
        raise BadLine.at(line.number, error.errors or [FieldError((), error.detail)]) from None


def _study(line: Line, attrs: Mapping[str, Any]) -> Study:
    definition = attrs["definition"]
    with _at(line):
        # Of a space that has changed, the constraints may contain parameters of earlier versions.
        has_changed = attrs["version"] > 1
        study = new_study(
            replace(definition, parameter_constraints=None) if has_changed else definition
        )
    for field in ("sampler_options", "pruner_options"):
        given, complete = getattr(definition, field) or {}, getattr(study, field)
        order = [*(key for key in given if key in complete), *complete]
        setattr(study, field, {key: complete[key] for key in order})
    for field, value in attrs["stored"].items():
        setattr(study, field, value)
    return study


def _faults(study: Study, attrs: dict[str, Any]) -> Iterator[FieldError]:
    """Yield the errors of a trial that does not fit its study."""
    is_waiting = attrs["state"] == TrialState.WAITING
    find_faults = study.space.partial_faults if is_waiting else study.space.faults
    outside = find_faults(attrs["params"])
    for name, fault in outside:
        yield FieldError(("params", name), f'parameter "{name}": {fault}')
    if attrs["space_version"] > study.search_space_version:
        text = f"the study has {study.search_space_version} versions of its search space"
        yield FieldError(("search_space_version",), text)
    values, n_objectives = attrs.get("values"), len(study.directions)
    if values is not None and len(values) != n_objectives:
        text = f"the study has {n_objectives} objectives, not {len(values)}"
        yield FieldError(("values",), text)
    system_attrs = attrs.get("system_attrs", {})
    constraints = attrs.get("constraints")
    if constraints is not None and sorted(constraints) != sorted(study.constraints):
        names = ", ".join(study.constraints)
        text = f"expected all of the study's constraints, and no others: {names}"
        yield FieldError(("constraints",), text)
    if faults := list(note_faults(study, attrs)):
        yield from faults
        return
    if not same_json(constraints_of(system_attrs), constraints or {}):
        yield FieldError(("system_attrs",), "its keys constraints:… differ from constraints")
    fixed = system_attrs.get(FIXED_PARAMS)
    if is_waiting and fixed is not None and not same_json(fixed, attrs["params"]):
        yield FieldError(("system_attrs", FIXED_PARAMS), "they differ from params")
    # Stock Optuna's trials, which have no workers and leases, may lack parameters.
    is_ours = attrs.get("worker_id") or attrs.get("lease_seconds") is not None
    is_known = not (outside and study.space.is_conditional)  # which parameters are active
    if is_ours and is_known and (missing := study.space.missing(attrs["params"])):
        text = f'"{min(missing)}" is missing: a trial of a worker has all parameters'
        yield FieldError(("params",), text)


def _new_trial(study: Study, attrs: dict[str, Any]) -> Trial:
    """Return a trial without id and revision, which are assigned when it is stored."""
    by_name = attrs.pop("constraints", None)
    constraints = by_name and [by_name[name] for name in study.constraints]
    steps = sorted(attrs.pop("intermediate_values", {}).items())
    internal_params = study.space.to_internal(attrs.pop("params"))
    attached = attrs.pop("note", ""), attrs.pop("links", {}), attrs.pop("log", None)
    if study.repeats is not None and attrs.get("repeat_group") is None:
        attrs |= {"repeat_group": attrs["number"], "repeat_index": 0}
    trial = Trial(
        study=study,
        internal_params=internal_params,
        params_hash=study.point_hash(internal_params),
        constraints=constraints or None,
        violation=total_violation(constraints or ()),
        **attrs,
    )
    attach(trial, *attached)
    trial.steps = [step for step, _ in steps]
    trial.step_values = [value for _, value in steps]
    return trial
