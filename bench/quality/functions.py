"""Synthetic functions of numbers: formulas of https://www.sfu.ca/~ssurjano/optimization.html."""

import numpy as np

from bench.quality.problem import Params, Problem, box, real, vector

_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
)


def branin(params: Params) -> float:
    x, y = params["x0"], params["x1"]
    valley = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    return float(valley**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


def hartmann6(params: Params) -> float:
    distances = (_A * (vector(params) - _P) ** 2).sum(axis=1)
    return float(-(_ALPHA * np.exp(-distances)).sum())


def ackley(x: np.ndarray) -> float:
    root = np.sqrt((x**2).mean())
    waves = np.cos(2 * np.pi * x).mean()
    return float(-20 * np.exp(-0.2 * root) - np.exp(waves) + 20 + np.e)


def shifted_ackley(params: Params) -> float:
    """Ackley's function with its minimum away from the centre of the cube."""
    x = vector(params)
    return ackley(x - 7.3 * np.sin(1 + np.arange(len(x))))


def rosenbrock(params: Params) -> float:
    x = vector(params)
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def levy(params: Params) -> float:
    w = 1 + (vector(params) - 1) / 4
    inner = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(np.sin(np.pi * w[0]) ** 2 + inner.sum() + last)


def sparse_bowl(params: Params) -> float:
    """A bowl in 4 of 20 parameters; the others change the value little."""
    x = vector(params)
    weights = np.where(np.arange(20) % 5 == 0, 1.0, 0.003)
    return float((weights * (x - np.linspace(0.15, 0.85, 20)) ** 2).sum())


BRANIN = Problem("branin", [real("x0", -5, 10), real("x1", 0, 15)], branin, best=0.397887)
HARTMANN = Problem("hartmann6", box(6, 0, 1), hartmann6, best=-3.32237)
ACKLEY = Problem("ackley5", box(5, -16, 16), shifted_ackley, best=0.0)
ROSENBROCK = Problem("rosenbrock4", box(4, -2, 2), rosenbrock, best=0.0)
SPARSE = Problem("sparse20", box(20, 0, 1), sparse_bowl, best=0.0)
NOISY_HARTMANN = Problem("hartmann6, noisy", box(6, 0, 1), hartmann6, best=-3.32237, noise=0.2)
NOISY_LEVY = Problem("levy4, noisy", box(4, -10, 10), levy, best=0.0, noise=2.0)
