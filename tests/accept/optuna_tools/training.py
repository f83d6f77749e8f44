"""A Trainer of a tiny model, not downloaded, for docs/optuna.md's `transformers_search.py`."""

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

SIZES = {
    "vocab_size": 16, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 16, "max_position_embeddings": 8,
}  # fmt: skip


class Words(torch.utils.data.Dataset):
    def __len__(self):
        return 32

    def __getitem__(self, index):
        label = index % 2
        return {"input_ids": torch.full((8,), 5 + label), "labels": torch.tensor(label)}


trainer = Trainer(
    model_init=lambda trial: BertForSequenceClassification(BertConfig(**SIZES)),
    args=TrainingArguments(
        "out", num_train_epochs=3, eval_strategy="epoch", save_strategy="no", report_to=[],
        use_cpu=True, disable_tqdm=True,
    ),
    train_dataset=Words(), eval_dataset=Words(),
)  # fmt: skip
