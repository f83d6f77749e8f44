"""The definition of a study as one compact block."""

import json
from collections.abc import Mapping
from typing import Any

from console import display
from console.studies import columns
from studies.enums import Duplicates
from studies.models import Study

MAX_OPTIONS = 1000  # characters


def definition_block(study: Study) -> dict[str, Any]:
    """Return the context of the definition: pairs of a term and a description, and tables."""
    terms = [
        ("Objective" if not study.is_multi_objective else "Objectives", columns.directions(study)),
        ("Sampler", _with_options(study.sampler, study.sampler_options)),
        ("Pruner", _with_options(study.pruner, study.pruner_options)),
        ("Constraints", columns.constraint_names(study) if study.constraints else ""),
        (
            "Constraints between parameters",
            columns.parameter_constraints(study) if study.parameter_constraints else "",
        ),
        ("Duplicates", "avoided" if study.duplicates == Duplicates.AVOID else ""),
        ("Repeats", columns.repeats(study) if study.repeats else ""),
        ("Reported metric", study.pruning_direction),
        ("Retries and leases", columns.retries_and_leases(study)),
        ("Created", columns.created(study)),
        ("Id", str(study.pk)),
    ]
    return {
        "definition": [(term, text) for term, text in terms if text],
        "search_space": columns.search_space(study),
        "search_space_versions": (
            columns.search_space_versions(study) if study.search_space_version > 1 else ""
        ),
        "user_attributes": columns.user_attributes(study) if study.user_attrs else "",
    }


def _with_options(name: str, options: Mapping[str, Any]) -> str:
    """Return a name with its options, such as tpe (seed 7)."""
    if not options:
        return name
    listed = ", ".join(f"{key} {_text(value)}" for key, value in options.items())
    return display.truncated(f"{name} ({listed})", MAX_OPTIONS)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
