"""Objectives of the demo studies: known test functions, and made-up trainings."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Params = Mapping[str, Any]


def branin(params: Params) -> Sequence[float]:
    """Return the Branin function, minimum 0.397887: https://www.sfu.ca/~ssurjano/branin.html."""
    x, y = params["x"], params["y"]
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return [(y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10]


def hartmann6(params: Params) -> Sequence[float]:
    """Return the Hartmann 6 function, minimum -3.32237: https://www.sfu.ca/~ssurjano/hart6.html."""
    a = (
        (10, 3, 17, 3.5, 1.7, 8),
        (0.05, 10, 17, 0.1, 8, 14),
        (3, 3.5, 1.7, 10, 17, 8),
        (17, 8, 0.05, 10, 0.1, 14),
    )
    p = (
        (1312, 1696, 5569, 124, 8283, 5886),
        (2329, 4135, 8307, 3736, 1004, 9991),
        (2348, 1451, 3522, 2883, 3047, 6650),
        (4047, 8828, 8732, 5743, 1091, 381),
    )
    xs = [params[f"x{i}"] for i in range(6)]
    exponents = (
        sum(
            weight * (x - centre / 1e4) ** 2
            for weight, x, centre in zip(row, xs, row_p, strict=True)
        )
        for row, row_p in zip(a, p, strict=True)
    )
    heights = (1.0, 1.2, 3.0, 3.2)
    return [-sum(h * math.exp(-e) for h, e in zip(heights, exponents, strict=True))]


def zdt1(params: Params) -> Sequence[float]:
    """Return ZDT1 (Zitzler, Deb, Thiele 2000); its Pareto front is f2 = 1 - sqrt(f1)."""
    first, *others = params.values()
    g = 1 + 9 * sum(others) / len(others)
    return [first, g * (1 - math.sqrt(first / g))]


def training(params: Params) -> Sequence[float]:
    """Return a made-up accuracy after training: best near a learning rate of 0.01, with adam."""
    distance = abs(math.log10(params["learning_rate"]) + 2)
    bonus = {"adam": 0.05, "sgd": 0.0, "rmsprop": 0.02}[params["optimizer"]]
    return [0.9 - 0.12 * distance + bonus - abs(params["batch_size"] - 64) / 1000]


def accuracy_and_latency(params: Params) -> Sequence[float]:
    """Return a made-up accuracy, and the latency in ms, which grows with what is accurate."""
    (accuracy,) = training(params)
    slow = {"adam": 9.0, "sgd": 4.0, "rmsprop": 6.5}[params["optimizer"]]
    return [accuracy, slow + 400 / params["batch_size"] - math.log10(params["learning_rate"])]


def optimizers(params: Params) -> Sequence[float]:
    """Return a made-up loss, in which each optimizer has settings of its own."""
    rate = math.log10(params["learning_rate"])
    if params["optimizer"] == "adam":
        return [0.2 + 0.1 * (rate + 3) ** 2 + (params["beta"] - 0.9) ** 2]
    momentum = params.get("momentum", 0.0)  # which plain SGD does not have
    return [0.15 + 0.1 * (rate + 1.5) ** 2 + 0.3 * (momentum - 0.9) ** 2]
