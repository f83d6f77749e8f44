"""Problems of numbers and choices, as users of pipelines have them."""

import numpy as np

from bench.quality.problem import Params, Problem, choice, integer, real

_KERNELS = {"linear": 0.9, "rbf": 0.0, "poly": 0.5, "sigmoid": 1.3}
# Of each tier of reranking: its best quality, how many results it needs, and its cost of one.
_TIERS = {"fast": (0.8, 60, 3), "accurate": (1.0, 30, 8), "code": (0.7, 45, 3)}


def mixed_kernel(params: Params) -> float:
    """Each kernel has its own best scale, and its own best value."""
    worst = _KERNELS[params["kernel"]]
    scale = np.log10(params["scale"]) + 1 - worst
    weight = np.log10(params["weight"]) - 0.7
    return float(
        worst
        + 0.6 * (1 - np.exp(-(scale**2)))
        + 0.3 * (1 - np.exp(-0.5 * weight**2))
        + 0.02 * abs(params["degree"] - 4)
        + (0.1 if params["shrinking"] else 0.0)
    )


def mixed_network(params: Params) -> float:
    """Width and depth trade off against the rate; activations and batch sizes interact."""
    size = params["layers"] * np.log2(params["width"])
    rate = np.log10(params["rate"]) + 2 + 0.12 * size / 4
    activation = {"relu": 0.0, "tanh": 0.12, "gelu": 0.03, "sigmoid": 0.4}[params["activation"]]
    batch = {16: 0.06, 32: 0.0, 64: 0.02, 128: 0.08, 256: 0.2}[params["batch"]]
    fit = 1.2 * np.exp(-size / 9) + 0.015 * max(0.0, size - 22)
    return float(
        fit
        + 0.25 * rate**2 / (1 + rate**2)
        + activation * (1 + 0.3 * (params["layers"] > 3))
        + batch
        + 0.5 * (params["dropout"] - 0.02 * size) ** 2
    )


def branches(params: Params) -> float:
    """A flattened conditional space: only the parameters of the chosen optimiser count."""
    kind = params["optimizer"]
    if kind == "sgd":
        rate, other = np.log10(params["sgd_rate"]) + 1.5, params["sgd_momentum"] - 0.9
        loss = 0.25 + 0.2 * rate**2 + 1.5 * other**2
    elif kind == "adam":
        rate, other = np.log10(params["adam_rate"]) + 3.2, params["adam_beta"] - 0.85
        loss = 0.1 + 0.35 * rate**2 + 2.0 * other**2
    else:
        rate, other = np.log10(params["lbfgs_step"]) + 0.3, params["lbfgs_memory"] - 12
        loss = 0.4 + 0.1 * rate**2 + 0.002 * other**2
    return float(loss + 0.05 * (np.log10(params["decay"]) + 4.5) ** 2)


def pipeline_branches(params: Params) -> float:
    """Three stages that can be switched off, with parameters that then do not count."""
    value = 1.0
    if params["expand"]:
        value -= 0.25 * np.exp(-((params["expand_terms"] - 6) ** 2) / 20)
        value += 0.05 * params["expand_weight"] ** 2
    if params["retriever"] == "sparse":
        value -= 0.2 * np.exp(-((params["sparse_k1"] - 1.4) ** 2)) * (1 - params["sparse_b"] / 4)
    else:
        value -= 0.3 * np.exp(-((np.log2(params["dense_probes"]) - 5) ** 2) / 6)
    if params["rerank"]:
        value -= 0.35 * (1 - np.exp(-params["rerank_depth"] / 40))
        value += 0.002 * params["rerank_depth"]
    return float(value)


def search_pipeline(params: Params) -> float:
    """The quality of a search pipeline in steps: plateaus, a tier, and a budget of time."""
    quality = (
        0.5 * np.exp(-(((params["min_dense"] - 0.7) / 0.12) ** 2))
        + 0.3 * np.exp(-(((params["min_hybrid"] - 0.45) / 0.15) ** 2))
        + 0.2 * np.exp(-(((params["min_sparse"] - 0.1) / 0.1) ** 2))
    )
    tier = {"fast": 0.8, "accurate": 1.0, "code": 0.7}[params["tier"]]
    reached = 1 - np.exp(
        -params["depth"] / {"fast": 60, "accurate": 30, "code": 45}[params["tier"]]
    )
    late = max(
        0.0, params["depth"] * (8 if params["tier"] == "accurate" else 3) - params["timeout"]
    )
    return float(1 - quality * tier * reached + 0.0008 * late + params["timeout"] / 40_000)


_PIPELINE = [
    real("min_dense", 0.6, 0.9, step=0.05),
    real("min_hybrid", 0.35, 0.65, step=0.05),
    real("min_sparse", 0.05, 0.2, step=0.05),
    integer("depth", 10, 100, step=10),
    choice("tier", "fast", "accurate", "code"),
    integer("timeout", 200, 2000, step=100),
]
_NETWORK = [
    integer("layers", 1, 6),
    integer("width", 16, 1024, log=True),
    real("rate", 1e-5, 1.0, log=True),
    choice("activation", "relu", "tanh", "gelu", "sigmoid"),
    choice("batch", 16, 32, 64, 128, 256),
    real("dropout", 0.0, 0.6),
]
KERNEL = Problem(
    "kernel, mixed",
    [
        choice("kernel", *_KERNELS),
        real("scale", 1e-4, 1e2, log=True),
        real("weight", 1e-3, 1e3, log=True),
        integer("degree", 1, 8),
        choice("shrinking", True, False),
    ],
    mixed_kernel,
)
NOISY_NETWORK = Problem("network, noisy", _NETWORK, mixed_network, noise=0.05)
BRANCHES = Problem(
    "optimizers, flattened",
    [
        choice("optimizer", "sgd", "adam", "lbfgs"),
        real("sgd_rate", 1e-5, 1.0, log=True),
        real("sgd_momentum", 0.0, 0.99),
        real("adam_rate", 1e-6, 1e-1, log=True),
        real("adam_beta", 0.5, 0.999),
        real("lbfgs_step", 1e-3, 1e1, log=True),
        integer("lbfgs_memory", 2, 40),
        real("decay", 1e-8, 1e-1, log=True),
    ],
    branches,
    best=0.1,
)
STAGES = Problem(
    "stages, flattened",
    [
        choice("expand", True, False),
        integer("expand_terms", 1, 20),
        real("expand_weight", 0.0, 1.0),
        choice("retriever", "sparse", "dense"),
        real("sparse_k1", 0.5, 3.0),
        real("sparse_b", 0.0, 1.0),
        integer("dense_probes", 1, 256, log=True),
        choice("rerank", True, False),
        integer("rerank_depth", 10, 200, step=10),
    ],
    pipeline_branches,
)
PIPELINE = Problem("search pipeline", _PIPELINE, search_pipeline)
