"""An ordinary objective with the pruning callback for XGBoost."""

import xgboost
from optuna_integration import XGBoostPruningCallback
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import tuner

x, x_valid, y, y_valid = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
train, valid = xgboost.DMatrix(x, y), xgboost.DMatrix(x_valid, y_valid)


def objective(trial):
    rate = trial.suggest_float("learning_rate", 1e-5, 0.3, log=True)
    params = {"objective": "binary:logistic", "eval_metric": "logloss", "learning_rate": rate}
    callback = XGBoostPruningCallback(trial, "valid-logloss")
    history = {}
    xgboost.train(
        params, train, 30, evals=[(valid, "valid")], callbacks=[callback], evals_result=history,
        verbose_eval=False,
    )  # fmt: skip
    return history["valid"]["logloss"][-1]


tuner.Client().get_study("xgboost").optimize(objective)
