"""What the program of a failed demo trial printed."""

from trials.demo.outcomes import BROKEN, NOT_CONVERGED, OUT_OF_MEMORY, Outcome
from trials.models import Trial

# The end of what is printed, by the reason; other failures print nothing more than the reason.
_LAST_LINES = {
    OUT_OF_MEMORY: """\
Traceback (most recent call last):
  File "train.py", line 88, in <module>
    loss = train_epoch(model, loader, optimizer)
  File "train.py", line 41, in train_epoch
    loss.backward()
torch.OutOfMemoryError: {reason}""",
    BROKEN: """\
Traceback (most recent call last):
  File "train.py", line 80, in <module>
    loader = DataLoader(open_shards("/data/train"))
  File "data.py", line 17, in open_shards
    return [tarfile.open(path) for path in shards]
{reason}""",
    NOT_CONVERGED: """\
solver: 10000 iterations, residual 3.1e-02, wanted 1e-06
RuntimeError: {reason}""",
}


def log_of(trial: Trial, outcome: Outcome) -> str:
    """Return the log of a failed trial: its parameters, what it reported, and why it failed."""
    result = outcome.result
    lines = [f"trial {trial.number} on {trial.worker_id}"]
    lines += [f"  {name} = {value}" for name, value in trial.params.items()]
    lines += [
        f"epoch {step}: accuracy {value:.4f}"
        for step, value in (result.intermediate_values or {}).items()
    ]
    reason = result.reason or ""
    lines.append(_LAST_LINES.get(reason, "{reason}").format(reason=reason))
    return "\n".join(lines) + "\n"
