"""Names of workers that the variables of a scheduler give."""

import pytest

from tuner._worker.identity import find_identity


def test_steps_of_a_slurm_job_have_different_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `srun` of a job counts its processes from 0, on whichever node."""
    monkeypatch.delenv("TUNER_WORKER", raising=False)
    variables = {"CLUSTER_NAME": "c", "JOB_ID": "9", "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": "3"}
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("SLURM_PROCID", "0")

    script = find_identity()
    monkeypatch.setenv("SLURM_STEP_ID", "1")
    step = find_identity()

    assert (script, step) == ("c-7_3-0", "c-7_3.1-0")
