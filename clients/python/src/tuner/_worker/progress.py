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
        left = (progress.eta - progress.datetime).total_seconds()
        parts.append(f"{describe_seconds(left)} left")
    reason = f" ({progress.state_reason})" if progress.state_reason else ""
    return f"{progress.study_name}: {progress.state}{reason}: {', '.join(parts)}"


def describe_seconds(seconds: float) -> str:
    """Return a time in the two units that matter: `2 h 5 min`."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
