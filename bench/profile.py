"""Where the CPU time of an ask and its tell goes: `python -m bench.profile`.

The WSGI application runs in this process and thread, under Python's profiler by CPU time, which
makes functions slower than C code: the shares are right about, the sums are not. Without gunicorn.
"""

import argparse
import cProfile
import json
import os
import pstats
import time
from collections import Counter
from io import BytesIO
from typing import Any

from bench.servers import ground, set_up_django
from bench.service import trials_path
from bench.space import SPACE, objectives

_WARM_UP = 50
# The first one that a file's path contains.
_LAYERS = {
    "sampler": ("/optuna", "/trials/sampling/", "/numpy/", "/scipy/", "/torch/", "/copy.py"),
    "database": ("/psycopg", "/django/db/", "/tuner_project/db/", "/asgiref/", "/contextlib.py"),
    "domain": (
        "/trials/domain/",
        "/trials/models/",
        "/trials/projection/",
        "/studies/",
        "/access/",
    ),
    "REST framework": ("/rest_framework/", "/tuner_project/rest/", "/trials/api/", "/json/"),
    "Django and middleware": ("/django/", "/tuner_project/", "/corsheaders/", "/csp/", "/axes/"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--sampler", default="random")
    arguments = parser.parse_args()
    os.environ["ACCESS_LOG"] = "false"  # as it is for `make serve`
    with ground(None) as place:
        set_up_django(place.url)
        layers = _profile(arguments.sampler, arguments.trials)
    whole = sum(layers.values())
    for layer, seconds in layers.most_common():
        share, cost = seconds / whole, seconds / arguments.trials * 1e3
        print(f"{layer:24} {share:4.0%} {cost:7.2f} ms")
    print(f"{'together':24}      {whole / arguments.trials * 1e3:7.2f} ms")


def _profile(sampler: str, n_trials: int) -> Counter[str]:
    """Return the CPU seconds of n trials by layer."""
    study = {"name": "profiled", "search_space": SPACE, "sampler": sampler, "pruner": "none"}
    _post("/studies", study)
    for _ in range(_WARM_UP):
        _play("profiled")
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    for _ in range(n_trials):
        _play("profiled")
    profile.disable()
    return _by_layer(pstats.Stats(profile).stats)  # type: ignore[attr-defined]


def _play(study: str) -> None:
    trial = _post(f"{trials_path(study)}/suggest")
    url = f"{trials_path(study)}/{trial['trial_id']}/complete"
    _post(url, {"values": objectives(trial["params"])})


def _post(path: str, body: Any = None) -> Any:
    from tuner_project.wsgi import application

    content = b"" if body is None else json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/api/v1{path}",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(content)),
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(content),
    }
    response: Any = application(environ, lambda *_: lambda _: None)
    answer = json.loads(b"".join(response))
    response.close()
    return answer


def _by_layer(stats: dict[Any, Any]) -> Counter[str]:
    """Add up the time in functions by layer; that in built-in ones counts for their callers."""
    layers: Counter[str] = Counter()
    for (file, _, _), (_, _, seconds, _, callers) in stats.items():
        if file != "~":
            layers[_layer(file)] += seconds
            continue
        for (of_caller, _, _), (_, _, called, _) in callers.items():
            layers[_layer(of_caller)] += called
    del layers[""]
    return layers


def _layer(file: str) -> str:
    """Return the layer of a file; none for that of the measurement itself."""
    if "/bench/" in file:
        return ""
    found = (name for name, parts in _LAYERS.items() if any(part in file for part in parts))
    return next(found, "Python's library")


if __name__ == "__main__":
    main()
