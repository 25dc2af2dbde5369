#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cairn mirror push` and `mirror pull`, killed (SIGKILL) at random places of their talk with a real S3 server.

A relay between the two counts the requests and kills the process in the middle of one: before any of it, part of it or
all of it was passed on, or when the server has answered. Then the mirror is true (verify --read-data), the next push goes
on, and a store that is restored from it has every file as it was. Where the server is not installed this ends as skipped.
CAIRN_TEST_SCALE=long kills 25 times, otherwise a few; CAIRN_TEST_SEED replays.
"""
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

CAIRN = os.environ["CAIRN"]
SERVER = pathlib.Path(__file__).resolve().parents[1] / "servers" / "radosgw.sh"
HEAD = b" HTTP/1.1\r\nHost: "


class Relay:
    """Passes bytes on in both directions, counts what begins a request, and acts at a chosen one."""

    def __init__(self, host, port):
        self.to = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.lock = threading.Lock()
        self.begin(None, None)
        threading.Thread(target=self.accept, daemon=True).start()

    def begin(self, plan, kill):
        """`plan`: (request from 0, how many bytes of it and of what follows are passed on, whether the answer is)."""
        with self.lock:
            self.requests, self.plan, self.kill = 0, plan, kill

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.to)
            state = {"met": False}
            threading.Thread(target=self.up, args=(client, server, state), daemon=True).start()
            threading.Thread(target=self.down, args=(server, client, state), daemon=True).start()

    def up(self, client, server, state):
        tail = b""
        try:
            while data := client.recv(1 << 16):
                with self.lock:
                    began = (tail + data).count(HEAD)
                    tail = data[-(len(HEAD) - 1):]
                    self.requests += began
                    plan = self.plan
                    # A client without pipelines begins one request at most in what is read at once.
                    state["met"] = state["met"] or bool(began and plan and self.requests > plan[0])
                if state["met"] and plan and not plan[2]:
                    server.sendall(data[:plan[1]])
                    self.kill()
                    break
                server.sendall(data)
        except OSError:
            pass
        for one in (server, client):
            one.close()

    def down(self, server, client, state):
        try:
            while data := server.recv(1 << 16):
                if state["met"] and self.plan and self.plan[2]:
                    self.kill()
                    break
                client.sendall(data)
        except OSError:
            pass
        client.close()


def environment():
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SSL_CERT_"))}
    return {**clean, "AWS_ACCESS_KEY_ID": "TESTKEY", "AWS_SECRET_ACCESS_KEY": "TESTSECRET",
            "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}


def begin(*arguments):
    return subprocess.Popen([CAIRN, "--quiet", *map(str, arguments)], env=environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def cairn(*arguments):
    process = begin(*arguments)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, f"{arguments}: {process.returncode}: {said.decode()}"


def killed_somewhere(relay, chance, requests, *arguments):
    """Whether the process was killed; it may have ended before that request."""
    plan = (chance.randrange(requests), chance.choice([0, 1, 100, 1000, 1 << 16]), chance.random() < 0.4)
    started = threading.Event()
    process = None

    def kill():
        started.wait()
        process.kill()

    relay.begin(plan, kill)
    process = begin(*arguments)
    started.set()
    said, _ = process.communicate(timeout=300)
    relay.begin(None, None)
    assert process.returncode in (0, -signal.SIGKILL), f"{plan}: {process.returncode}: {said.decode()}"
    return process.returncode != 0, plan


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def compare(store, names, contents, folder):
    for name in names:
        shutil.rmtree(folder, ignore_errors=True)
        cairn("--store", store, "get", name, "--to", folder)
        assert contents[name] in files_below(folder).values(), f"{name} came back as something else"


def show(folder, endpoint, kills, chance):
    host, port = endpoint.removeprefix("http://").split(":")
    relay = Relay(host, int(port))
    store, restored, pulled, out = (folder / name for name in ("store", "restored", "pulled", "out"))
    place = ["s3://models/team", "--endpoint", relay.endpoint]
    cairn("--store", store, "init")
    cairn("--store", store, "mirror", "add", "cloud", *place)
    contents, hits = {}, 0
    requests = 12
    for number in range(kills):
        name, file = f"model-{number}", folder / "model.bin"
        file.write_bytes(chance.randbytes(chance.randrange(1, 3 << 20)))
        contents[name] = file.read_bytes()
        cairn("--store", store, "add", file, "--as", name)
        was_killed, plan = killed_somewhere(relay, chance, requests, "--store", store, "mirror", "push", "cloud")
        hits += was_killed
        print(f"push {number}: {plan}, {'killed' if was_killed else 'ended before'}", flush=True)
        if number > 0:  # before the first one that ends there may be no mirror
            cairn("--store", store, "mirror", "verify", "cloud", "--read-data")
        relay.begin(None, None)
        cairn("--store", store, "mirror", "push", "cloud")
        requests = max(relay.requests, 8)
        cairn("--store", store, "mirror", "verify", "cloud", "--read-data")
        if number % 3 == 0:
            shutil.rmtree(pulled, ignore_errors=True)
            cairn("--store", pulled, "init")
            cairn("--store", pulled, "mirror", "add", "cloud", *place)
            was_killed, plan = killed_somewhere(relay, chance, 10, "--store", pulled, "mirror", "pull", "cloud", name)
            print(f"pull {number}: {plan}, {'killed' if was_killed else 'ended before'}", flush=True)
            cairn("--store", pulled, "check")
            cairn("--store", pulled, "mirror", "pull", "cloud", name)
            compare(pulled, [name], contents, out)
    cairn("--store", restored, "mirror", "restore", *place)
    cairn("--store", restored, "check", "--read-data")
    compare(restored, contents, contents, out)
    assert hits > kills / 3, f"{hits} of {kills} pushes were killed"
    print(f"{hits} of {kills} pushes were killed; all {len(contents)} models came back")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = int(os.environ.get("CAIRN_TEST_SEED", "4711"))
    kills = 25 if os.environ.get("CAIRN_TEST_SCALE") == "long" else 10
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="cairn-kill-") as name:
        folder = pathlib.Path(name)
        started = subprocess.run([SERVER, "start", folder / "server"], text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, timeout=200, check=False)
        if started.returncode == 77:
            print(started.stderr.strip())
            return 77
        assert started.returncode == 0, started.stderr
        try:
            show(folder, started.stdout.strip().splitlines()[-1], kills, random.Random(seed))
        finally:
            subprocess.run([SERVER, "stop", folder / "server"], timeout=200, check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
