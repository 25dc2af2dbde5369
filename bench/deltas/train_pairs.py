#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a small transformer and keeps the pairs of checkpoints whose differences are measured.

    train_pairs.py FOLDER

10.9 million parameters over bytes, AdamW in fp32, one thread, fixed seeds, 5 to 8 minutes. The text is the
one that a Debian machine has: Python's standard library for the pretraining, perl-base and the
licenses for the fine-tune. Into FOLDER (1.3 GB), which is left as it is when it is complete:

  pretrained, tuned        bf16, as models are published: the end of the pretraining, and a fine-tune of it at a
                           low rate with the embeddings and the first two layers frozen
  pretraining-0400, -0401, -0410, -0500
                           fp32 with both moments, late in a run with beta2 = 0.95, the rate decaying
  tuning-0030, -0031, -0040
                           the same of the fine-tune: beta2 = 0.999, low rate, no moments of what is frozen
  chain-00 ... chain-15    bf16, every five steps of the last 75 of the pretraining

Names in the fp32 files: w.PARAMETER, m.PARAMETER (exp_avg), v.PARAMETER (exp_avg_sq). What an
update depends on is in the files' metadata. (Debian's interpreter, for its PyTorch.)
"""

import glob
import math
import os
import pathlib
import shutil
import sys
import time

# One thread keeps the sums in one order, and loses little where others compute beside it.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import torch  # noqa: E402 (OpenBLAS reads the environment when it is loaded)

import decoder  # noqa: E402
import tensor_file  # noqa: E402

PRETRAINING = {"steps": 500, "warm_up": 50, "rate": 6e-4, "last_rate": 6e-5, "beta1": 0.9, "beta2": 0.95}
TUNING = {"steps": 40, "warm_up": 5, "rate": 2e-5, "last_rate": 2e-5, "beta1": 0.9, "beta2": 0.999}
BATCH, DECAY, EPSILON = 4, 0.1, 1e-8
PRETRAINING_TEXT = ["/usr/lib/python3.11/**/*.py", "/usr/lib/python3/**/*.py"]
TUNING_TEXT = ["/usr/lib/*/perl-base/**/*.p[lm]", "/usr/share/common-licenses/*"]
TEXT_BYTES_MAX = 12 << 20


def text_of(patterns):
    text = bytearray()
    for pattern in patterns:
        for path in sorted(glob.glob(pattern, recursive=True)):
            if len(text) < TEXT_BYTES_MAX:
                text += pathlib.Path(path).read_bytes()
    if len(text) < 1 << 20:
        sys.exit(f"too little text under {' '.join(patterns)}")
    return torch.frombuffer(text, dtype=torch.uint8)


def rate_at(run, step):
    """Of step 1 and on: a linear warm-up, then a half cosine down to the last rate."""
    if step <= run["warm_up"]:
        return run["rate"] * step / run["warm_up"]
    done = (step - run["warm_up"]) / (run["steps"] - run["warm_up"])
    return run["last_rate"] + (run["rate"] - run["last_rate"]) * 0.5 * (1 + math.cos(math.pi * done))


def save_bf16(model, path):
    tensor_file.write(path, {name: p.detach().bfloat16().view(torch.int16).numpy().view("<u2")
                             for name, p in model.named_parameters()})


def save_state(model, optimizer, path, facts):
    tensors = {f"w.{name}": p.detach().numpy() for name, p in model.named_parameters()}
    for letter, key in (("m", "exp_avg"), ("v", "exp_avg_sq")):
        for name, p in model.named_parameters():
            if p in optimizer.state:
                tensors[f"{letter}.{name}"] = optimizer.state[p][key].numpy()
    tensor_file.write(path, tensors, facts)


def train(model, text, run, seed, after_step):
    """Calls after_step(step, optimizer, facts) after each step, counted from 1."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": [p for p in trained if p.dim() == 2], "weight_decay": DECAY},
              {"params": [p for p in trained if p.dim() != 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(run["beta1"], run["beta2"]), eps=EPSILON)
    chance = torch.Generator().manual_seed(seed)
    began, losses = time.monotonic(), []
    for step in range(1, run["steps"] + 1):
        rate = rate_at(run, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(len(text) - decoder.CONTEXT - 1, (BATCH,), generator=chance)
        tokens = torch.stack([text[at:at + decoder.CONTEXT + 1] for at in starts.tolist()]).long()
        optimizer.zero_grad()
        loss = model.loss(tokens)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % 20 == 0 or step == 1:
            mean = sum(losses[-20:]) / len(losses[-20:])
            print(f"step {step}: loss {mean:.3f} nats a byte, rate {rate:.1e}, {time.monotonic() - began:.0f} s",
                  flush=True)
        after_step(step, optimizer, {"step": step, "rate": rate, "beta1": run["beta1"], "beta2": run["beta2"],
                                     "epsilon": EPSILON, "weight_decay_of_matrices": DECAY})


def make(folder):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = decoder.Decoder()
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} million parameters")

    def keep_pretraining(step, optimizer, facts):
        if step in (400, 401, 410, 500):
            save_state(model, optimizer, folder / f"pretraining-{step:04}.safetensors", facts)
        if step >= 425 and step % 5 == 0:
            save_bf16(model, folder / f"chain-{(step - 425) // 5:02}.safetensors")

    train(model, text_of(PRETRAINING_TEXT), PRETRAINING, 2, keep_pretraining)
    save_bf16(model, folder / "pretrained.safetensors")

    # The fine-tune begins from what was published, as others' do.
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.bfloat16())
    for part in (model.embedding, model.positions, *model.layers[:2]):
        part.requires_grad_(False)

    def keep_tuning(step, optimizer, facts):
        if step in (30, 31, 40):
            save_state(model, optimizer, folder / f"tuning-{step:04}.safetensors", facts)

    train(model, text_of(TUNING_TEXT), TUNING, 3, keep_tuning)
    save_bf16(model, folder / "tuned.safetensors")


def fill(folder, make):
    """Has make(folder) fill a new folder; leaves one that is there, because it is complete."""
    if folder.exists():
        return
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    make(unfinished)
    unfinished.rename(folder)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    fill(pathlib.Path(sys.argv[1]), make)


if __name__ == "__main__":
    main()
