"""The client has a counterpart, or a reason, for all that the service describes."""

from dataclasses import fields
from functools import cache
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

import tuner
from tuner import answers
from tuner.errors import read_problem
from tuner_project.errors import DomainError

# By operation: the class and the method that calls it.
OPERATIONS = {
    "addTrials": "Study.enqueue",
    "cancelStudy": "Study.cancel",
    "cancelTrial": "Study.cancel_trial",
    "cloneStudy": "Study.clone",
    "compareStudies": "Client.compare",
    "completeStudy": "Study.complete",
    "completeTrial": "Trial.complete",
    "completeTrials": "Study.tell",
    "createShare": "Study.share",
    "createStudy": "Client.create_study",
    "createWebhook": "Client.create_webhook",
    "deleteStudy": "Client.delete_study",
    "deleteWebhook": "Client.delete_webhook",
    "exportStudy": "Study.export",
    "failRunningTrials": "Study.fail_running",
    "failTrial": "Trial.fail",
    "getAdvice": "Study.advice",
    "getBestTrial": "Study.best",
    "getHealth": "Client.health",
    "getHistory": "Study.history",
    "getHypervolume": "Study.hypervolume",
    "getImportance": "Study.importance",
    "getPlot": "Study.plot",
    "getProgress": "Study.progress",
    "getReadiness": "Client.ready",
    "getStudy": "Client.get_study",
    "getTrial": "Study.trial",
    "getTrialLog": "Study.trial_log",
    "getWebhook": "Client.get_webhook",
    "importStudies": "Client.import_studies",
    "invalidateTrial": "Study.invalidate",
    "listEvents": "Study.events",
    "listParetoFront": "Study.pareto_front",
    "listShares": "Study.shares",
    "listSearchSpaceVersions": "Study.search_space_versions",
    "listStudies": "Client.studies",
    "listTrials": "Study.trials",
    "listWebhooks": "Client.webhooks",
    "pauseStudy": "Study.pause",
    "pingWebhook": "Client.ping_webhook",
    "pruneTrial": "Trial.prune",
    "renewLease": "Trial.heartbeat",
    "reportTrial": "Trial.report",
    "resumeStudy": "Study.resume",
    "revokeShare": "Study.revoke_share",
    "retryFailedTrials": "Study.retry_failed",
    "retryTrial": "Study.retry",
    "rotateWebhookSecret": "Client.rotate_webhook_secret",
    "suggestTrial": "Study.ask",
    "suggestTrials": "Study.ask",
    "updateStudy": "Study.update",
    "updateTrial": "Study.update_trial",
    "writeTrialLog": "Trial.set_log",
    "updateWebhook": "Client.update_webhook",
}

# By schema of an answer: its class.
ANSWERS = {
    "Best": answers.Best,
    "Event": answers.Event,
    "Importance": answers.Importance,
    "NewShare": answers.Share,
    "ParetoTrial": answers.ParetoTrial,
    "Progress": answers.Progress,
    "SearchSpaceVersion": answers.SearchSpaceVersion,
    "Signs": answers.HeartbeatReply,
    "Study": answers.StudyInfo,
    "AnnotatedTrial": answers.FrozenTrial,
    "SecretWebhook": answers.Webhook,
    "Verdict": answers.ReportReply,
}

# By schema of a request, the keys that no argument is named after, with the reason.
NOT_ARGUMENTS = {
    "CompleteRequest": {
        "study_id": "of the suggestion", "worker_id": "of the slot",
        "intermediate_values": "sent by `report`", "user_attrs": "`attrs`",
        "reason": "a completed trial has none to tell",
    },
    "FailRequest": {
        "study_id": "of the suggestion", "worker_id": "of the slot",
        "intermediate_values": "sent by `report`", "user_attrs": "`attrs`",
        "constraints": "those of a failed evaluation are not known",
    },
    "PruneRequest": {
        "study_id": "of the suggestion", "worker_id": "of the slot",
        "intermediate_values": "sent by `report`", "user_attrs": "`attrs`",
        "constraints": "those of an unfinished evaluation are not known",
    },
    "ReportRequest": {
        "study_id": "of the suggestion", "worker_id": "of the slot",
        "user_attrs": "`attrs`", "values": "`value`, as a mapping",
    },
    "HeartbeatRequest": {
        "study_id": "of the suggestion", "worker_id": "of the slot", "user_attrs": "`attrs`",
    },
    "SuggestRequest": {
        "worker_id": "of the slot", "new": "each slot has a name of its own",
    },
    "SuggestBatchRequest": {
        "worker_id": "of the slot", "new": "each slot has a name of its own",
    },
    "CreateShareRequest": {"expires_in_days": "`days`"},
    "NewTrialRequest": {"priority": "of `enqueue`"},
    "FailRunningRequest": {},
    "InvalidateRequest": {},
    "RetryFailedRequest": {},
    "CompleteStudyRequest": {},
    "TransitionRequest": {},
}  # fmt: skip
CALLED_BY = {
    "CompleteRequest": tuner.Trial.complete,
    "FailRequest": tuner.Trial.fail,
    "PruneRequest": tuner.Trial.prune,
    "ReportRequest": tuner.Trial.report,
    "HeartbeatRequest": tuner.Trial.heartbeat,
    "SuggestRequest": tuner.Study.ask,
    "SuggestBatchRequest": tuner.Study.ask,
    "CreateShareRequest": tuner.Study.share,
    "NewTrialRequest": tuner.Study.add,
    "FailRunningRequest": tuner.Study.fail_running,
    "InvalidateRequest": tuner.Study.invalidate,
    "RetryFailedRequest": tuner.Study.retry_failed,
    "CompleteStudyRequest": tuner.Study.complete,
    "TransitionRequest": tuner.Study.pause,
}
# Their keys are passed on by name: definitions, and changes of them.
PASSED_ON = {
    "CreateStudyRequest", "CloneStudyRequest", "PatchedChangeStudyRequest",
    "PatchedChangeTrialRequest", "CompleteBatchRequest", "ToldTrialRequest", "WarmStartRequest",
    "CreateWebhookRequest", "PatchedChangeWebhookRequest",
}  # fmt: skip

# Codes with an error of their own, and statuses with one for all other codes.
CLASSES = {
    "study_completed": tuner.StudyEnded,
    "study_cancelled": tuner.StudyEnded,
    "study_paused": tuner.StudyPaused,
    "fixed_values_exhausted": tuner.FixedValuesExhausted,
    "lease_lost": tuner.LeaseLost,
    "trial_finished": tuner.LeaseLost,
    "not_holder": tuner.NotHolder,
    "study_replaced": tuner.StudyReplaced,
    "study_busy": tuner.Busy,
}
STATUSES = {
    400: tuner.Invalid, 401: tuner.Forbidden, 403: tuner.Forbidden, 404: tuner.NotFound,
    408: tuner.ApiError, 409: tuner.ApiError, 413: tuner.ApiError, 429: tuner.Busy,
    406: tuner.ApiError, 499: tuner.ApiError, 500: tuner.ApiError, 503: tuner.ApiError,
}  # fmt: skip


@cache
def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def schemas() -> dict[str, Any]:
    found: dict[str, Any] = document()["components"]["schemas"]
    return found


def test_every_operation_has_a_method() -> None:
    found = {
        operation["operationId"]
        for path in document()["paths"].values()
        for operation in path.values()
    }
    assert found == set(OPERATIONS)
    for method in OPERATIONS.values():
        kind, name = method.split(".")
        assert callable(getattr(getattr(tuner, kind), name)) or name == "best"
        assert hasattr(getattr(tuner, f"Async{kind}"), name)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_key_of_an_answer_is_a_field(name: str) -> None:
    assert {field.name for field in fields(ANSWERS[name])} == set(schemas()[name]["properties"])


def test_offer_has_the_keys_that_a_trial_reads() -> None:
    read = {
        "trial_id", "params", "user_attrs", "intermediate_values", "attempt", "retry_of",
        "reoffers", "reoffered", "study_id", "lease_expires_at", "repeat",
    }  # fmt: skip
    known_otherwise = {
        "study_name": "the study's", "worker_id": "of the slot",
        "search_space_version": "of `Study.trial`",
    }  # fmt: skip
    assert set(schemas()["Offer"]["properties"]) == read | set(known_otherwise)


def test_every_request_is_known() -> None:
    requests = {name for name in schemas() if name.endswith("Request")}
    parts = {name for name in requests if name.endswith(("ParameterRequest", "OptionsRequest"))}
    parts |= {"NewTrialsRequest", "NoImprovementRequest", "RepeatsRequest"}
    assert requests - parts == set(CALLED_BY) | PASSED_ON


@pytest.mark.parametrize("name", CALLED_BY)
def test_every_key_of_a_request_is_an_argument(name: str) -> None:
    method: Any = CALLED_BY[name]
    arguments = set(method.__annotations__)
    keys = set(schemas()[name]["properties"])
    assert keys - arguments == set(NOT_ARGUMENTS[name])


def test_parameters_of_a_search_space_have_all_keys() -> None:
    for kind, name in [
        ("Float", tuner.Float),
        ("Int", tuner.Int),
        ("Categorical", tuner.Categorical),
        ("Ordinal", tuner.Ordinal),
    ]:
        keys = set(schemas()[f"{kind}ParameterRequest"]["properties"])
        assert {field.name for field in fields(name)} == keys - {"name", "type"}


def codes(kind: type[DomainError] = DomainError) -> set[tuple[int, str]]:
    """The status and the code of each error of the domain."""
    below = set().union(*(codes(each) for each in kind.__subclasses__()))
    return below | {(kind.status, kind.code)}


def test_every_code_has_a_class() -> None:
    found = codes()
    assert set(CLASSES) <= {code for _, code in found}
    for status, code in found:
        error = read_problem({"status": status, "code": code, "detail": "d"})
        assert type(error) is CLASSES.get(code, STATUSES[status]), code


def test_directions_and_states_are_the_services() -> None:
    words = schemas()["Study"]["properties"]["direction"]["oneOf"][0]["enum"]
    assert [direction.name.lower() for direction in tuner.Direction] == words
