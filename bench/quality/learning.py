"""Real problems: models of scikit-learn on the data sets that it brings."""

import warnings
from functools import cache
from typing import Any

import numpy as np

from bench.quality.problem import Params, Problem, choice, integer, real

_FOLDS = 2


@cache
def _friedman() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import make_friedman1

    found: tuple[np.ndarray, np.ndarray] = make_friedman1(300, noise=0.5, random_state=0)
    return found


@cache
def _diabetes() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_diabetes

    found: tuple[np.ndarray, np.ndarray] = load_diabetes(return_X_y=True)
    return found


def _score(model: Any, data: tuple[np.ndarray, np.ndarray], scoring: str) -> float:
    from sklearn.model_selection import KFold, cross_val_score

    folds = KFold(_FOLDS, shuffle=True, random_state=0)
    return float(cross_val_score(model, *data, cv=folds, scoring=scoring).mean())


def predict_friedman(params: Params) -> float:
    """The log of the mean squared error of a support vector machine, whose kernels differ."""
    from sklearn.svm import SVR

    model = SVR(
        C=params["C"],
        epsilon=params["epsilon"],
        kernel=params["kernel"],
        gamma=params["gamma"],
        degree=params["degree"],
        coef0=params["coef0"],
        max_iter=20_000,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        return float(np.log(-_score(model, _friedman(), "neg_mean_squared_error")))


def predict_diabetes(params: Params) -> float:
    """The mean squared error of gradient boosting, of the variance."""
    from sklearn.ensemble import GradientBoostingRegressor

    data = _diabetes()
    model = GradientBoostingRegressor(
        n_estimators=params["trees"],
        learning_rate=params["rate"],
        max_depth=params["depth"],
        subsample=params["subsample"],
        min_samples_leaf=params["leaf"],
        max_features=params["features"],
        loss=params["loss"],
        random_state=0,
    )
    return -_score(model, data, "neg_mean_squared_error") / float(data[1].var())


FRIEDMAN = Problem(
    "SVM on friedman1",
    [
        real("C", 1e-3, 1e3, log=True),
        real("epsilon", 1e-4, 1.0, log=True),
        choice("kernel", "linear", "rbf", "poly", "sigmoid"),
        real("gamma", 1e-5, 1e1, log=True),
        integer("degree", 1, 6),
        real("coef0", -1.0, 1.0),
    ],
    predict_friedman,
)
DIABETES = Problem(
    "boosting on diabetes",
    [
        integer("trees", 5, 60),
        real("rate", 1e-3, 1.0, log=True),
        integer("depth", 1, 6),
        real("subsample", 0.2, 1.0),
        integer("leaf", 1, 60, log=True),
        real("features", 0.1, 1.0),
        choice("loss", "squared_error", "absolute_error", "huber"),
    ],
    predict_diabetes,
)
