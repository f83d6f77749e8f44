"""A model whose loss is worse by an offset, and its data, for docs/optuna.md's `ranks.py`."""

import lightning
import torch
from torch.utils.data import DataLoader, TensorDataset


class Model(lightning.LightningModule):
    def __init__(self, offset):
        super().__init__()
        self.offset = offset
        self.layer = torch.nn.Linear(1, 1)

    def loss(self, batch):
        x, y = batch
        return (self.layer(x) - y).pow(2).mean() + self.offset

    def training_step(self, batch, index):
        return self.loss(batch)

    def validation_step(self, batch, index):
        self.log("val_loss", self.loss(batch), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Line(lightning.LightningDataModule):
    def train_dataloader(self):
        x = torch.linspace(0, 1, 64).reshape(-1, 1)
        return DataLoader(TensorDataset(x, 2 * x), batch_size=8)

    val_dataloader = train_dataloader


data = Line()
