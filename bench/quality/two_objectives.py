"""Problems of two objectives, judged by the hypervolume of the front."""

import numpy as np

from bench.quality.problem import Params, Problem, box, choice, integer, real, vector


def zdt1(params: Params) -> tuple[float, float]:
    """Zitzler, Deb and Thiele (2000), in 8 parameters."""
    x = vector(params)
    g = 1 + 9 * x[1:].mean()
    return float(x[0]), float(g * (1 - np.sqrt(x[0] / g)))


def cost_and_error(params: Params) -> tuple[float, float]:
    """The cost of a model, and its error, by its size, its numbers' precision and its rate."""
    bits = params["bits"]
    size = params["layers"] * params["width"] ** 1.5
    rate = np.log10(params["rate"]) + 3 - 0.2 * np.log10(size)
    cost = np.log10(size * bits) / 6
    error = 0.9 * np.exp(-np.log10(size) / 1.6) + {4: 0.2, 8: 0.05, 16: 0.01, 32: 0.0}[bits]
    return float(cost), float(error + 0.15 * rate**2 / (1 + rate**2) + 0.3 * params["noise"] ** 2)


ZDT1 = Problem("ZDT1", box(8, 0, 1), zdt1, reference=(1.1, 6.0))
COST = Problem(
    "cost and error",
    [
        integer("layers", 1, 24, log=True),
        integer("width", 8, 1024, log=True),
        choice("bits", 4, 8, 16, 32),
        real("rate", 1e-6, 1e-1, log=True),
        real("noise", 0.0, 1.0),
    ],
    cost_and_error,
    reference=(1.5, 1.4),
)
