#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A training process that is killed at any time goes on as if it had not been.

The example train_text saves weights, optimizer, random generator and step into a store. It is
killed (SIGKILL) after a random time and started again, over and over: every loss that any of
its lives computes equals, bit for bit, that of a run which was never interrupted. With
CAIRN_TEST_SCALE=long 100 times, else 10. CAIRN_TEST_SEED repeats the random times.
"""
import json
import math
import os
import random
import signal
import struct
import subprocess
import sys
import time

from cairn_command import BINARY, CAIRN, LONG, claim, finish, scratch

PROGRAM = BINARY / "api/examples/train_text"
KILLS = 100 if LONG else 10
STEPS = 120 if LONG else 30
SEED = int(os.environ.get("CAIRN_TEST_SEED", "1"))
PATIENCE_S = 1500

if not PROGRAM.exists():
    finish("the examples are not built: nothing was tested")

folder = scratch("resume")


def command(name):
    return [str(PROGRAM), "--store", str(folder / name), "--losses", str(folder / (name + ".losses")),
            "--steps", str(STEPS), "--every", "2", "--seed", "5"]


def losses(name):
    """(step, loss as text) of every line that is whole."""
    path = folder / (name + ".losses")
    text = path.read_text() if path.exists() else ""
    return [tuple(line.split()) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def cairn(name, *arguments):
    """The JSON that the command prints about one of the stores."""
    ran = subprocess.run([CAIRN, "--json", "--store", str(folder / name), *arguments], check=True,
                         stdout=subprocess.PIPE, text=True)
    return json.loads(ran.stdout.splitlines()[-1])


def check_restored(name, ref):
    """What `get` makes of a checkpoint is a .safetensors file by the format's rules."""
    cairn(name, "get", ref, "--to", str(folder / "restored"))
    content = (folder / "restored/state/tensors.safetensors").read_bytes()
    length, = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8:8 + length]), content[8 + length:]
    at = 0
    for tensor, entry in header.items():
        begin, end = entry["data_offsets"]
        size = math.prod(entry["shape"]) * 4
        claim(entry["dtype"] == "F32" and begin == at and end - begin == size, f"{tensor} lies where it should")
        at = end
    claim(at == len(data) and length % 8 == 0, "the tensors fill the file")
    claim((folder / "restored/state/parts/random").stat().st_size > 1000, "the random generator is a file")
    tensor = next(iter(header))
    cairn(name, "tensor", ref, tensor, "--out", str(folder / "one.npy"))
    begin, end = header[tensor]["data_offsets"]
    claim((folder / "one.npy").read_bytes()[-(end - begin):] == data[begin:end], f"{tensor} is the same alone")
    claim({entry["kind"] for entry in cairn(name, "ls", ref)} == {"state", "part"}, "ls shows the state and its parts")
    claim(cairn(name, "show", ref)["metadata"].get("held_out_loss"), "show tells the metric")


began = time.monotonic()
subprocess.run(command("whole"), check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE_S)
life_s = time.monotonic() - began
expected = dict(losses("whole"))
claim(len(expected) == STEPS, "the uninterrupted run tells each step's loss")

rng = random.Random(SEED)
print(f"CAIRN_TEST_SEED={SEED}, an uninterrupted run takes {life_s:.1f} s", flush=True)
kills = resumed = 0
while kills < KILLS and time.monotonic() - began < PATIENCE_S:
    process = subprocess.Popen(command("killed"), stdout=subprocess.PIPE, text=True)
    try:
        output, _ = process.communicate(timeout=rng.uniform(0, max(3 * life_s / KILLS, 3)))
        if process.returncode != 0:
            sys.exit(f"train_text fails: {output}")
        # It has come to the end before it was killed: another one from the beginning.
        (folder / "killed.losses").rename(folder / f"killed.{kills}.losses")
        subprocess.run(["rm", "-rf", str(folder / "killed")], check=True)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate()
        kills += 1
    resumed += "goes on behind step" in output
done = subprocess.run(command("killed"), check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S)
names = [path.name.removesuffix(".losses") for path in folder.glob("killed*.losses")]
wrong = [(step, loss) for name in names for step, loss in losses(name) if expected.get(step) != loss]
claim(not wrong, f"losses differ from the uninterrupted run's: {wrong[:5]}, seed {SEED}")
claim({step for step, _ in losses("killed")} == set(expected), "the last life comes to the end")
claim(kills == KILLS, f"{kills} of {KILLS} kills")
for name in ("whole", "killed"):
    log = subprocess.run([CAIRN, "--store", str(folder / name), "log", "checkpoints/train_text"], check=False,
                         stdout=subprocess.PIPE, text=True)
    claim(log.returncode == 0 and str(STEPS) in log.stdout, "the last step is a checkpoint")
    check = subprocess.run([CAIRN, "--store", str(folder / name), "check", "--read-data"], check=False)
    claim(check.returncode == 0, "the store is whole")
check_restored("killed", "checkpoints/train_text")
diff = cairn("killed", "diff", f"checkpoints/train_text@{STEPS - 2}", "checkpoints/train_text")
claim(diff["changed"] > 0 and diff["same"] > 0, "frozen tensors are the same, others have changed")
finish(f"killed {kills} times, went on {resumed} times, {sum(len(losses(name)) for name in names)} losses, all equal")
