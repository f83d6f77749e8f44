"""Who a worker is: a name that a restart keeps, so that it receives the trials that it held.

Looked for in this order:

| source | name |
|---|---|
| argument `worker_id`, variable `TUNER_WORKER` | as given |
| Ray | cluster, and task or actor: kept by their retries and restarts |
| SLURM | job (of an array: its job and task), step, process: kept by `--requeue` |
| Kubernetes, an indexed Job | name of the pod without its random end, and completion index |
| else | random, for the life of the process |
"""

import hashlib
import os
import socket
import sys
import uuid
from collections.abc import Mapping

MAX_LENGTH = 120  # the service takes 128, and a slot adds its number


def find_identity(worker_id: str | None = None) -> str:
    """Return the name of this process."""
    name = (
        worker_id
        or os.environ.get("TUNER_WORKER")
        or _ray_name()  # first: Ray's processes inherit the variables of the job that they run in
        or _slurm_name(os.environ)
        or _kubernetes_name(os.environ)
    )
    return _shortened(name) if name else _random_name()


def _shortened(name: str) -> str:
    if len(name) <= MAX_LENGTH:
        return name
    return f"{name[: MAX_LENGTH - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _slurm_name(env: Mapping[str, str]) -> str | None:
    if "SLURM_JOB_ID" not in env:
        return None
    job = env["SLURM_JOB_ID"]
    if "SLURM_ARRAY_TASK_ID" in env:
        job = f"{env.get('SLURM_ARRAY_JOB_ID', job)}_{env['SLURM_ARRAY_TASK_ID']}"
    if "SLURM_STEP_ID" in env:  # of `srun`: each step counts its processes from 0
        job = f"{job}.{env['SLURM_STEP_ID']}"
    cluster = env.get("SLURM_CLUSTER_NAME", "slurm")
    return f"{cluster}-{job}-{env.get('SLURM_PROCID', '0')}"


def _kubernetes_name(env: Mapping[str, str]) -> str | None:
    """Return the name of a pod of an indexed Job: its host name ends with the index."""
    index = env.get("JOB_COMPLETION_INDEX")
    if index is None:
        return None
    host = env.get("HOSTNAME") or socket.gethostname()
    return host if host.endswith(f"-{index}") else f"{host.rsplit('-', 2)[0]}-{index}"


def _ray_name() -> str | None:
    """Return the name of the Ray task or actor that this runs in.

    Only the thread that Ray runs a task in knows it, and the first task of every cluster has the
    same id.
    """
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    if context.worker.mode != ray.WORKER_MODE:  # a driver has no task, and asking logs a warning
        return None
    cluster = context.worker.node.session_name.replace("session_", "ray-", 1)
    return f"{cluster}-{context.get_actor_id() or context.get_task_id()}"


# Made once a process: several clients of it share the name, and its slots.
_random_names: dict[int, str] = {}


def _random_name() -> str:
    process = os.getpid()  # a forked child needs another name
    name = f"{socket.gethostname()[:80]}-{process}-{uuid.uuid4().hex[:8]}"
    return _random_names.setdefault(process, name)


def is_random(name: str) -> bool:
    """Tell whether a name is the random one of this process, which no other has."""
    return _random_names.get(os.getpid()) == name
