#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A training process whose machine is lost goes on from its mirrors as if nothing had happened.

The example train_text is killed in its midst. Its store is mirrored: content to Ceph's gateway, metrics and results to
PostgreSQL; then its folder is removed. A new store pulls the last checkpoint from the one and the rows from the other,
and the training that goes on in it computes, bit for bit, the losses of a run that was never interrupted. Where a server
is not installed, or the examples are not built, this ends as skipped.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from cairn_command import BINARY, CAIRN, Store, claim, finish, scratch

PROGRAM = BINARY / "api/examples/train_text"
SERVERS = pathlib.Path(__file__).resolve().parents[1] / "servers"
PIPE = os.pipe()
STEPS = 24
PATIENCE_S = 300

if not PROGRAM.exists():
    print("SKIP: the examples are not built")
    sys.exit(77)


class Server:
    """One of tests/servers, stopped in the end; `address` is the last line that it says."""

    def __init__(self, script, folder):
        self.script, self.folder = script, folder
        folder.mkdir()

    def call(self, verb):
        # It must not outlive a test that is killed: this end of the pipe is ours alone.
        done = subprocess.run([SERVERS / self.script, verb, self.folder], text=True, stdout=subprocess.PIPE,
                              env={**os.environ, "UNTIL_CLOSED": str(PIPE[0])}, pass_fds=(PIPE[0],),
                              stderr=subprocess.PIPE, timeout=200, check=False)
        if done.returncode == 77:
            print(done.stderr.strip())
            sys.exit(77)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""

    def __enter__(self):
        self.address = self.call("start")
        return self

    def __exit__(self, *_):
        self.call("stop")


def training(store):
    return [PROGRAM, "--store", store.folder, "--losses", store.folder.with_suffix(".losses"), "--steps", str(STEPS),
            "--every", "2", "--seed", "5"]


def losses(store):
    path = store.folder.with_suffix(".losses")
    text = path.read_text() if path.exists() else ""
    return [tuple(line.split()) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def train_for_a_while(store):
    process = subprocess.Popen(training(store), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while len(losses(store)) < STEPS // 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    claim(STEPS // 2 <= len(losses(store)) < STEPS, "the training is killed in its midst")


def show(bucket, database):
    places = {"cloud": ["s3://training/mirror", "--endpoint", bucket.address],
              "rows": [f"postgresql://postgres@127.0.0.1:{database.address}/postgres"]}
    whole, lost, new = (Store(folder / name) for name in ("whole", "lost", "new"))
    subprocess.run(training(whole), check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE_S)
    expected = dict(losses(whole))

    train_for_a_while(lost)
    table = folder / "losses.csv"
    table.write_text("step,loss\n" + "".join(f"{step},{float.fromhex(loss)!r}\n" for step, loss in losses(lost)))
    lost.run("metrics", "import", "training", "--file", table)
    lost.run("results", "put", "corpus", "--file", table)
    for name, place in places.items():
        lost.run("mirror", "add", name, *place)
        lost.run("mirror", "push", name)
        claim(lost.run("mirror", "verify", name).summary()["problems"] == [], f"{name} has all of it")
    points = lost.run("metrics", "get", "training", "loss").out
    shutil.rmtree(lost.folder)

    for name, place in places.items():
        new.run("mirror", "add", name, *place)
    new.run("mirror", "pull", "cloud", "checkpoints/train_text")
    new.run("mirror", "pull", "rows")
    claim(new.run("results", "get", "corpus").out == table.read_bytes(), "the result is what it was")
    claim(new.run("metrics", "get", "training", "loss").out == points, "the metrics are what they were")
    done = subprocess.run(training(new), check=True, stdout=subprocess.PIPE, text=True, errors="replace",
                          timeout=PATIENCE_S)
    claim("goes on behind step" in done.stdout, "the training goes on")
    after = losses(new)
    claim(0 < len(after) < STEPS and after[-1][0] == str(STEPS), "it goes on from the checkpoint to the end")
    wrong = [step for step, loss in losses(lost) + after if expected[step] != loss]
    claim(not wrong, f"losses differ from those of the run that was not interrupted: {wrong}")
    claim(new.run("check", "--read-data").summary()["damaged"] == [], "the new store is whole")
    return len(after)


folder = scratch("both-mirrors")
for name in [name for name in os.environ if name.startswith(("AWS_", "PG", "SSL_CERT_"))]:
    del os.environ[name]
os.environ.update(AWS_ACCESS_KEY_ID="TESTKEY", AWS_SECRET_ACCESS_KEY="TESTSECRET", AWS_EC2_METADATA_DISABLED="true",
                  PGPASSWORD="secret", HOME=str(folder))
# The server may be somebody else, who has to get through.
with tempfile.TemporaryDirectory(prefix="cairn-both-", dir="/tmp") as above:
    servers = pathlib.Path(above)
    servers.chmod(0o755)
    with Server("radosgw.sh", servers / "bucket") as s3, Server("postgres.sh", servers / "database") as postgres:
        steps = show(s3, postgres)
finish(f"{steps} steps behind the loss of the machine, as if there had been none")
