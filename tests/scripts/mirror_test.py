#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stores and one bucket of a real S3 server (Ceph's radosgw), through the command.

Two stores on two directories mirror related models: the second sends only what is new, counted on the server. A third,
empty, pulls one model and has it bit for bit. A store whose folder is gone is restored from the bucket alone. Wrong
secrets, missing rights and a server that is not there are clear errors, and no secret is in anything that is printed.
Where the server is not installed this ends as skipped.
"""
import filecmp
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

CAIRN = os.environ["CAIRN"]
SERVERS = pathlib.Path(__file__).resolve().parents[1] / "servers"
SECRET = "TESTSECRET"
printed = []  # everything that the command has said


def server(*arguments):
    done = subprocess.run([SERVERS / "radosgw.sh", *map(str, arguments)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=200, check=False)
    if done.returncode == 77:
        print(done.stderr.strip())
        sys.exit(77)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def environment_of(key="TESTKEY", secret=SECRET):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SSL_CERT_"))}
    environment.update(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret, AWS_EC2_METADATA_DISABLED="true",
                       HOME="/nonexistent")
    return environment


def cairn(store, *arguments, code=0, key="TESTKEY", secret=SECRET, given=""):
    """The last line of what the command says, as JSON."""
    done = subprocess.run([CAIRN, "--store", store, "--json", *map(str, arguments)], env=environment_of(key, secret),
                          text=True, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)
    printed.extend([done.stdout, done.stderr])
    assert done.returncode == code, f"{arguments} ended with {done.returncode}, not {code}: {done.stderr}{done.stdout}"
    lines = [line for line in (done.stdout or done.stderr).splitlines() if line.startswith(("{", "["))]
    return json.loads(lines[-1]) if lines else None


def safetensors(path, tensors):
    """A file of float32 tensors, each the bytes that it is given as."""
    header, at = {}, 0
    for name, content in tensors.items():
        header[name] = {"dtype": "F32", "shape": [len(content) // 4], "data_offsets": [at, at + len(content)]}
        at += len(content)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(tensors.values()))


def show(folder, endpoint):
    noise = [os.urandom(3 << 20) for _ in range(5)]  # nothing that compresses
    place = ["s3://models/team", "--endpoint", endpoint]
    model, tuned = folder / "model.safetensors", folder / "tuned.safetensors"
    safetensors(model, {"a": noise[0], "b": noise[1], "c": noise[2]})
    safetensors(tuned, {"a": noise[0], "b": noise[1], "c": noise[3]})
    a, b, c, d = (str(folder / name) for name in "abcd")
    for store in (a, b, c):
        cairn(store, "init")
        cairn(store, "mirror", "add", "cloud", *place)
    cairn(a, "add", model, "--as", "llama")
    cairn(b, "add", tuned, "--as", "tuned")

    first = cairn(a, "mirror", "push", "cloud")
    assert first["content_bytes"] >= 3 * (3 << 20)
    assert first["sent_bytes"] <= 1.02 * first["content_bytes"], first
    before = cairn(a, "mirror", "status", "cloud")["pack_bytes"]
    second = cairn(b, "mirror", "push", "cloud")
    stored = cairn(b, "mirror", "status", "cloud")["pack_bytes"] - before
    assert stored <= 1.02 * (3 << 20), f"{stored} bytes for one new tensor"
    assert second["sent_bytes"] <= 1.02 * stored, (second, stored)
    again = cairn(b, "mirror", "push", "cloud")
    assert again["requests"] == 0, again

    one = cairn(c, "mirror", "pull", "cloud", "tuned")
    assert one["fetched_bytes"] <= 1.02 * 3 * (3 << 20), one
    cairn(c, "get", "tuned", "--to", folder / "got")
    assert filecmp.cmp(tuned, folder / "got" / "tuned.safetensors", shallow=False)
    assert cairn(c, "check", "--read-data")["damaged"] == []

    cairn(a, "results", "put", "loss", "--serializer", "json", given="0.25")
    status = cairn(a, "mirror", "status", "cloud")
    assert status["behind_statements"] > 0, status
    cairn(a, "mirror", "push", "cloud")
    status = cairn(a, "mirror", "status", "cloud")
    assert status["behind_statements"] == 0, status
    ours = next(store["id"] for store in status["stores"] if store["is_this"])
    shutil.rmtree(a)
    cairn(d, "mirror", "restore", *place, code=1)  # there are two stores
    assert not pathlib.Path(d).exists()
    cairn(d, "mirror", "restore", *place, "--from", ours)
    cairn(d, "get", "llama", "--to", folder / "back")
    assert filecmp.cmp(model, folder / "back" / "model.safetensors", shallow=False)
    cairn(d, "results", "get", "loss")
    assert "0.25" in printed[-2], printed[-2:]
    assert cairn(d, "check", "--read-data")["damaged"] == []
    assert cairn(b, "mirror", "verify", "cloud", "--read-data")["problems"] == []

    follow(folder, place)

    # What no store needs any more goes: first it is noted, by the server's clock.
    packed = cairn(b, "mirror", "status", "cloud")["pack_bytes"]
    cairn(b, "rm", "tuned", "--yes")
    cairn(b, "mirror", "push", "cloud")
    would = cairn(b, "mirror", "gc", "cloud", "--dry-run", "--grace", "0")
    assert would["noted_bytes"] >= (3 << 20) and would["removed_packs"] == 0, would
    assert cairn(b, "mirror", "gc", "cloud")["noted_packs"] == 0  # all of it is young
    gone = cairn(b, "mirror", "gc", "cloud", "--grace", "0")
    assert gone["removed_bytes"] >= (3 << 20) and gone["lost"] == [], gone
    assert cairn(b, "mirror", "status", "cloud")["pack_bytes"] <= packed - (3 << 20) + (1 << 16)
    assert cairn(b, "mirror", "verify", "cloud", "--read-data")["problems"] == []
    e = str(folder / "e")
    cairn(e, "mirror", "restore", *place, "--from", ours)
    cairn(e, "get", "llama", "--to", folder / "after")
    assert filecmp.cmp(model, folder / "after" / "model.safetensors", shallow=False)

    # What goes wrong is named.
    cairn(c, "mirror", "pull", "cloud", "absent", code=12)
    cairn(c, "mirror", "pull", "elsewhere", "absent", code=12)
    cairn(c, "mirror", "push", "cloud", code=1, secret="CANARYSECRET")
    cairn(c, "mirror", "push", "cloud", code=1, key="OTHERKEY", secret="OTHERSECRET")
    cairn(c, "mirror", "add", "cloud", "s3://other/place", code=1)
    cairn(c, "mirror", "add", "bad name", *place, code=2)
    cairn(c, "mirror", "add", "with-password", "s3://models", "--endpoint", "https://user:CANARYSECRET@host", code=2)
    said = "".join(printed)
    for secret in (SECRET, "CANARYSECRET", "OTHERSECRET"):
        assert secret not in said, secret
    print("mirrored, pulled, restored and verified")


def follow(folder, place):
    """A reader keeps the mirror up to date with what is written beside it, until it is stopped."""
    store, files = str(folder / "followed"), [folder / f"step{step}.safetensors" for step in range(3)]
    cairn(store, "init")
    cairn(store, "mirror", "add", "cloud", *place)
    following = subprocess.Popen([CAIRN, "--store", store, "--json", "mirror", "push", "cloud", "--follow"],
                                 env=environment_of(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for file in files:
            safetensors(file, {"w": os.urandom(1 << 20)})
            cairn(store, "add", file, "--as", "run")
            # It tells of each push when it is done; one may be of a part.
            while cairn(store, "mirror", "status", "cloud")["behind_statements"] > 0:
                told = following.stdout.readline()
                assert told, following.communicate()
                printed.append(told)
        following.send_signal(signal.SIGINT)
        printed.extend(following.communicate(timeout=60))
        assert following.returncode == 130, following.returncode
    finally:
        if following.poll() is None:
            following.kill()
            following.wait()
    own = cairn(store, "mirror", "status", "cloud")["stores"]
    ours = next(one["id"] for one in own if one["is_this"])
    shutil.rmtree(store)
    cairn(store, "mirror", "restore", *place, "--from", ours)
    for version, file in enumerate(files, 1):
        cairn(store, "get", f"run@{version}", "--to", folder / f"back{version}")
        assert filecmp.cmp(file, folder / f"back{version}" / file.name, shallow=False)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cairn-mirror-") as name:
        folder = pathlib.Path(name)
        try:
            endpoint = server("start", folder / "radosgw")
            show(folder, endpoint)
        finally:
            if (folder / "radosgw" / "pids").exists():
                server("stop", folder / "radosgw")


if __name__ == "__main__":
    main()
