#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a family of models: a long chain of checkpoints, and many fine-tunes of its end.

    train_family.py FOLDER

The model, data and optimizer are those of train_pairs.py; one thread, fixed seeds, some 12 minutes.
Into FOLDER (5.5 GB), which is left as it is when it is complete, all bf16:

  step-000 ... step-199  every second step of the last 400 of a pretraining of 500
  model-00               its end, as it is published: the same as step-199
  model-01 ... model-49  fine-tunes of that, 12 steps each, with data, rates (5e-6 to 5e-5) and frozen layers of their own
"""

import copy
import pathlib
import sys

import train_pairs
import torch

import decoder

STEPS, FIRST, EVERY = 200, 102, 2
MODELS = 50
TUNING = {**train_pairs.TUNING, "steps": 12, "warm_up": 2}


def tune(published, number, texts, path):
    """One of the fine-tunes: what it freezes, how fast it goes and what it reads follow from its number."""
    model = copy.deepcopy(published)
    rate = 5e-6 * 10 ** ((number % 7) / 6)
    layers = number % 4
    frozen = [*model.layers[:layers]] + ([model.embedding, model.positions] if number % 3 else [])
    for part in frozen:
        part.requires_grad_(False)
    text = texts[number % len(texts)]
    begin = len(text) * (number % 5) // 8
    train_pairs.train(model, text[begin:begin + len(text) // 2], {**TUNING, "rate": rate, "last_rate": rate},
                      1000 + number, lambda *_: None)
    train_pairs.save_bf16(model, path)


def make(folder):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = decoder.Decoder()
    texts = [train_pairs.text_of(train_pairs.TUNING_TEXT), train_pairs.text_of(train_pairs.PRETRAINING_TEXT)]

    def keep(step, _optimizer, _facts):
        number, rest = divmod(step - FIRST, EVERY)
        if number >= 0 and rest == 0:
            train_pairs.save_bf16(model, folder / f"step-{number:03}.safetensors")

    train_pairs.train(model, texts[1], train_pairs.PRETRAINING, 2, keep)
    train_pairs.save_bf16(model, folder / "model-00.safetensors")
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.bfloat16())
    for number in range(1, MODELS):
        tune(model, number, texts, folder / f"model-{number:02}.safetensors")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    train_pairs.fill(pathlib.Path(sys.argv[1]), make)


if __name__ == "__main__":
    main()
