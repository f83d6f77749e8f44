"""All processes compute the same state of CMA-ES, however their asks and results interleave."""

import random
from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import add_trials, assert_schemas_agree, create_study, suggest
from tests.support.study_builders import ask_trial, build_study, tell_trial
from tests.support.transfer_files import delete_study, export_study, import_file
from trials.domain.asking import ask
from trials.models import Trial
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import SessionRegistry, session_registry

pytestmark = pytest.mark.django_db(transaction=True)

SPACE = [
    {"type": "float", "name": "x", "low": -5.0, "high": 5.0},
    {"type": "int", "name": "n", "low": 1, "high": 100},
    {"type": "categorical", "name": "kind", "choices": ["a", "b"]},
]
GENERATION = "cma:generation"


def small_study(**definition: Any) -> Study:
    options = {"seed": 7, "popsize": 4} | definition.pop("sampler_options", {})
    return build_study(
        "small",
        space=SPACE,
        sampler="cmaes",
        sampler_options=options,
        pruner="none",
        direction="minimize",
        **definition,
    )


def tell_square(study: Study, trial: Trial) -> None:
    tell_trial(study, trial.number, float(trial.params["x"]) ** 2)


def state_of(session: SamplerSession) -> list[Any]:
    """The state from which the session draws, after all that is committed."""
    session.sync()
    with session.acquire_sampler(is_synced=True):
        draft = session.draw(1000)
        draft.close()
        draft.supersede()
    sampler: Any = session.optuna_study.sampler
    stored = sampler._stored.optimizer
    numbers = [sampler._stored.number, stored._sigma, stored._mean.tolist(), stored._C.tolist()]
    return [*numbers, draft.params]


def fresh_state(study: Study) -> list[Any]:
    return state_of(SamplerSession(study))


@pytest.mark.parametrize("seed", range(4))
def test_processes_with_parallel_trials_have_one_state(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, study = random.Random(seed), small_study()
    registries = [SessionRegistry() for _ in range(3)]
    running: list[Trial] = []
    for _ in range(60):
        monkeypatch.setattr(ask, "session_registry", rng.choice(registries))
        running.append(ask_trial(study))
        while len(running) > rng.randrange(1, 8):
            tell_square(study, running.pop(rng.randrange(len(running))))
    states = [state_of(registry.of(study)) for registry in registries]
    assert states[0][0] >= 5
    assert states == [fresh_state(study)] * 3
    assert_schemas_agree("small")


def test_state_follows_the_list_that_was_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process draws by a list of parents, and another one stores a different list first."""
    study = small_study()
    tell_square(study, ask_trial(study))
    trials = [ask_trial(study) for _ in range(5)]
    for trial in trials[1:]:
        tell_square(study, trial)
    kept = session_registry.of(study)
    kept.sync()
    with kept.acquire_sampler(is_synced=True):
        lost = kept.draw_next()
    assert lost is not None
    key = "CmaEsSampler:parent:1"
    assert lost.study_attrs == {key: [trial.id for trial in trials[1:]]}
    tell_square(study, trials[0])
    monkeypatch.setattr(ask, "session_registry", SessionRegistry())
    stored = ask_trial(study)
    assert stored.study_attrs == {key: [trial.id for trial in trials[:4]]}
    lost.close()
    assert state_of(kept) == fresh_state(study)


def test_parents_are_stored_once() -> None:
    study = small_study()
    for _ in range(20):
        tell_square(study, ask_trial(study))
    attrs = study.trials.order_by("number").values_list("study_attrs", flat=True)
    keys = [key for each in attrs for key in each or ()]
    assert keys == [f"CmaEsSampler:parent:{k}" for k in range(1, 5)]


def test_invalidated_result_is_not_learnt_from(api: APIClient) -> None:
    study = small_study()
    for _ in range(14):
        tell_square(study, ask_trial(study))
    before = fresh_state(study)
    url = "/api/v1/studies/small/trials/3/invalidate"
    assert api.post(url, {"reason": "a broken machine"}, format="json").status_code == 200
    after = fresh_state(study)
    assert after != before
    tell_square(study, ask_trial(study))  # the process builds its session anew
    assert state_of(session_registry.of(study)) == fresh_state(study)


def test_retried_and_recorded_trials_are_learnt_from(api: APIClient) -> None:
    study = small_study(max_retries=1)
    tell_square(study, ask_trial(study))
    failed = ask_trial(study)
    url = f"/api/v1/studies/small/trials/{failed.number}/fail"
    assert api.post(url, {"retry": True}, format="json").status_code == 200
    retried = ask_trial(study)
    assert (retried.retry_of, retried.system_attrs[GENERATION]) == (failed.number, 0)
    assert retried.params == failed.params
    result = {"params": {"x": 1.0, "n": 3, "kind": "a"}, "values": 1.0}
    result["state"] = "COMPLETE"
    add_trials(api, result, "small")
    assert Trial.objects.get_by_number(study, 3).system_attrs[GENERATION] == 0


@pytest.mark.parametrize("margin", [False, True])
def test_imported_study_goes_on_from_its_state(api: APIClient, margin: bool) -> None:
    study = small_study(sampler_options={"with_margin": margin})
    for _ in range(15):
        tell_square(study, ask_trial(study))
    expected = ask_trial(study).params
    delete_study(api, "small")
    session_registry.clear()
    study = small_study(sampler_options={"with_margin": margin})
    for _ in range(15):
        tell_square(study, ask_trial(study))
    file = export_study(api, "small")
    delete_study(api, "small")
    import_file(api, file)
    session_registry.clear()
    assert suggest(api, "small")["params"] == expected
    assert_schemas_agree("small")


def test_clone_starts_with_the_kept_trials_as_startup(api: APIClient) -> None:
    study = small_study()
    for _ in range(15):
        tell_square(study, ask_trial(study))
    assert api.post("/api/v1/studies/small/clone", {"name": "copy"}).status_code == 201
    cloned = Study.objects.get(name="copy")
    assert ask_trial(cloned).system_attrs == {GENERATION: 0}


def test_several_objectives_are_refused(api: APIClient) -> None:
    body = {"name": "two", "search_space": SPACE, "direction": ["minimize", "maximize"]}
    refused = api.post("/api/v1/studies", body | {"sampler": "cmaes"}, format="json")
    assert refused.status_code == 400
    (error,) = refused.json()["errors"]
    assert error == {
        "pointer": "/sampler",
        "detail": "the sampler cmaes does not suit the study: it takes one objective, not 2; "
        "choose another one",
    }
    create_study(api, name="one", sampler="cmaes")
