"""A training that Hydra configures: it returns what the sweeper optimises."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=".", config_name="config")
def train(config: DictConfig) -> float:
    if config.optimizer == "broken":
        raise ValueError("no such optimizer")
    return abs(config.lr - 0.01) + config.layers / 100


if __name__ == "__main__":
    train()
