"""Real problems: models of scikit-learn on the data sets that it brings."""

from functools import cache
from typing import Any

import numpy as np

from bench.quality.problem import Params, Problem, choice, integer, real

_FOLDS = 2


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images[:450] / 16.0, labels[:450]


@cache
def _diabetes() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_diabetes

    found: tuple[np.ndarray, np.ndarray] = load_diabetes(return_X_y=True)
    return found


def _score(model: Any, data: tuple[np.ndarray, np.ndarray], scoring: str) -> float:
    from sklearn.model_selection import KFold, cross_val_score

    folds = KFold(_FOLDS, shuffle=True, random_state=0)
    return float(cross_val_score(model, *data, cv=folds, scoring=scoring).mean())


def classify_digits(params: Params) -> float:
    """The log of the error rate of a support vector machine; its kernels have own parameters."""
    from sklearn.svm import SVC

    model = SVC(
        C=params["C"],
        kernel=params["kernel"],
        gamma=params["gamma"],
        degree=params["degree"],
        coef0=params["coef0"],
        shrinking=params["shrinking"],
    )
    return float(np.log(1.0 - _score(model, _digits(), "accuracy") + 1e-3))


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


DIGITS = Problem(
    "SVM on digits",
    [
        real("C", 1e-3, 1e3, log=True),
        choice("kernel", "linear", "rbf", "poly", "sigmoid"),
        real("gamma", 1e-5, 1e1, log=True),
        integer("degree", 1, 6),
        real("coef0", -1.0, 1.0),
        choice("shrinking", True, False),
    ],
    classify_digits,
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
