#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A training process that is killed at any time goes on as if it had not been.

The example train_text saves weights, optimizer, random generator and step into a store. It is
killed (SIGKILL) after a random time and started again, over and over: every loss that any of
its lives computes equals, bit for bit, that of a run which was never interrupted. With
CAIRN_TEST_SCALE=long 200 times, else 10. CAIRN_TEST_SEED repeats the random times.
"""
import os
import random
import signal
import subprocess
import sys
import time

from cairn_command import BINARY, CAIRN, LONG, claim, finish, scratch

PROGRAM = BINARY / "api/examples/train_text"
KILLS = 200 if LONG else 10
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
finish(f"killed {kills} times, went on {resumed} times, {sum(len(losses(name)) for name in names)} losses, all equal")
