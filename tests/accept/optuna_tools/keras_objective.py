"""An ordinary objective with the pruning callback for Keras."""

import keras
import numpy as np
from optuna_integration import KerasPruningCallback

import tuner

x = np.linspace(0, 1, 64).reshape(-1, 1)


def objective(trial):
    rate = trial.suggest_float("learning_rate", 1e-6, 0.3, log=True)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), "mse")
    callback = KerasPruningCallback(trial, "val_loss")
    history = model.fit(
        x, 2 * x, epochs=3, validation_data=(x, 2 * x), callbacks=[callback], verbose=0
    )
    return history.history["val_loss"][-1]


tuner.Client().get_study("keras").optimize(objective)
