"""Where an answer leads: OpenAPI's links, by which clients and tests walk from call to call."""

from typing import Any

STUDY = {"study_name": "$response.body#/study_name"}
TRIAL = STUDY | {"trial_id": "$response.body#/trial_id"}
FIRST_OFFER = {
    "study_name": "$request.path.study_name",
    "trial_id": "$response.body#/trials/0/trial_id",
}
OF_A_STUDY = {
    "getStudy": STUDY,
    "updateStudy": STUDY,
    "pauseStudy": STUDY,
    "resumeStudy": STUDY,
    "suggestTrial": STUDY,
    "suggestTrials": STUDY,
    "addTrials": STUDY,
    "listTrials": STUDY,
    "getBestTrial": STUDY,
    "getProgress": STUDY,
    "cloneStudy": STUDY,
    "exportStudy": STUDY,
    "deleteStudy": STUDY,
}
OF_A_TRIAL = ("getTrial", "reportTrial", "renewLease", "completeTrial", "pruneTrial", "failTrial")
# By the operation that answers, its status and the operation it leads to: that one's parameters.
LINKS: dict[tuple[str, str], dict[str, dict[str, str]]] = {
    ("createStudy", "201"): OF_A_STUDY,
    ("createStudy", "200"): OF_A_STUDY,
    ("suggestTrial", "200"): dict.fromkeys(OF_A_TRIAL, TRIAL),
    ("suggestTrials", "200"): dict.fromkeys(OF_A_TRIAL, FIRST_OFFER),
    ("completeTrial", "200"): {"getTrial": TRIAL, "getBestTrial": STUDY, "suggestTrial": STUDY},
    ("failTrial", "200"): {"getTrial": TRIAL, "suggestTrial": STUDY},
    ("pruneTrial", "200"): {"getTrial": TRIAL, "suggestTrial": STUDY},
}


def add_links(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A postprocessing hook: each link stands in the answer that it begins at."""
    for methods in result["paths"].values():
        for operation in methods.values():
            for status, answer in operation.get("responses", {}).items():
                leads_to = LINKS.get((operation.get("operationId"), status))
                if leads_to:
                    answer["links"] = {
                        name: {"operationId": name, "parameters": parameters}
                        for name, parameters in leads_to.items()
                    }
    return result
