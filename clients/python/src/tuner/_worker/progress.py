"""The progress of a study in one line."""

from tuner.answers import Progress


def describe_progress(progress: Progress) -> str:
    """Return how far a study is: state, trials, best value, pace."""
    counts = progress.trial_counts
    done = str(progress.n_done)
    if progress.max_trials is not None and progress.n_left is not None:
        done = f"{progress.max_trials - progress.n_left} of {progress.max_trials}"
    failed = f", {counts['FAIL']} failed" if counts["FAIL"] else ""
    parts = [f"{done} trials done{failed}", f"{counts['RUNNING']} running"]
    if progress.best_value is not None:
        parts.append(f"best {progress.best_value!r} (trial {progress.best_trial_id})")
    if progress.rate_per_hour is not None and progress.state == "ACTIVE":
        parts.append(f"{progress.rate_per_hour:.0f} an hour")
    if progress.eta is not None:
        parts.append(f"until {progress.eta.astimezone():%Y-%m-%d %H:%M}")
    reason = f" ({progress.state_reason})" if progress.state_reason else ""
    return f"{progress.study_name}: {progress.state}{reason}: {', '.join(parts)}"
