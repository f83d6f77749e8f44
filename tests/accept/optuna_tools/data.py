"""The datasets of docs/optuna.md's `boosting.py`."""

import lightgbm
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

x, x_valid, y, y_valid = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
train = lightgbm.Dataset(x, y)
valid = train.create_valid(x_valid, y_valid)
