#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Seconds that torch.load takes for a checkpoint that is not in the page cache, into memory that
is there already: one line for each round, `load into`.

    torch_load.py FOLDER TENSORS BYTES_OF_ONE ROUNDS

`load` is torch.load alone, which makes memory of its own; `into` adds the copy to where the
tensors belong, as load_state_dict() does. (Debian's interpreter, for its PyTorch.)
"""

import os
import sys
import time

import torch


def forget(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main():
    folder, tensors, size, rounds = sys.argv[1], *map(int, sys.argv[2:])
    path = os.path.join(folder, "state.pt")
    state = {f"layers.{i}": torch.randint(-2**31, 2**31 - 1, (size // 4096, 1024), dtype=torch.int32) for i in range(tensors)}
    torch.save(state, path)
    try:
        for _ in range(rounds):
            forget(path)
            began = time.monotonic()
            loaded = torch.load(path)
            then = time.monotonic()
            for name, target in state.items():
                target.copy_(loaded[name])
            print(then - began, time.monotonic() - began, flush=True)
            del loaded
    finally:
        os.remove(path)


if __name__ == "__main__":
    main()
