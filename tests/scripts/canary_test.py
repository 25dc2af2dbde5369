#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A secret key is in nothing that the command leaves or shows: output, logs, JSON, files, arguments, core dumps.

The key is a canary, given in a file of credentials and then in the environment. Servers of this script refuse it, answer
with garbage, and hang; while one hangs, the process is dumped (gcore, which leaves out what the kernel would) and looked
at. From a file the canary is nowhere in the core. From the environment it is in the environment's block alone, which the
process was started with and whoever may read its memory sees in /proc. Session tokens are sent with every request, and are
in the memory of the one that is under way: they are not looked for in cores. Without gcore this ends as skipped.
"""
import http.server
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

CAIRN = os.environ["CAIRN"]
printed = []


class Refusing(http.server.BaseHTTPRequestHandler):
    """Refuses every key, in words that a server may use, or answers with what is no XML."""
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"
        if "garbage" in self.path:
            body = b"\x00\xff no XML"
        self.send_response(200 if "garbage" in self.path else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_):
        pass


def environment(home, **more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SSL_CERT_", "CAIRN_"))}
    return {**clean, "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(home), **more}


def run(surroundings, *arguments):
    done = subprocess.run([CAIRN, *map(str, arguments)], env=surroundings, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=300, check=False)
    printed.append(done.stdout)
    return done.returncode


def dumped(process, folder):
    """The core of a process that runs on, and its own environment's block."""
    core = folder / f"core.{process.pid}"
    subprocess.run(["gcore", "-o", folder / "core", str(process.pid)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=300)
    content = core.read_bytes()
    core.unlink()
    return content, pathlib.Path(f"/proc/{process.pid}/environ").read_bytes()


def asked(hanging, surroundings, *arguments):
    """Starts the command, and returns it when its request has come to a server that says nothing."""
    process = subprocess.Popen([CAIRN, *map(str, arguments)], env=surroundings, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    hanging.settimeout(60)
    connection, _ = hanging.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    assert b"Signature=" in head, "the request was not signed"
    return process, connection, head


def show(folder):
    canary = "canary" + secrets.token_hex(17)
    home = folder / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id = KEY\naws_secret_access_key = {canary}\n", encoding="utf-8")
    ways = {"file": environment(home),
            "environment": environment(folder, AWS_ACCESS_KEY_ID="KEY", AWS_SECRET_ACCESS_KEY=canary)}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    refusing = f"http://127.0.0.1:{server.server_port}"
    hanging = socket.create_server(("127.0.0.1", 0))
    silent = f"http://127.0.0.1:{hanging.getsockname()[1]}"
    store, file = folder / "store", folder / "file"
    file.write_bytes(os.urandom(1 << 20))

    for way, surroundings in ways.items():
        shutil.rmtree(store, ignore_errors=True)
        assert run(surroundings, "--store", store, "init") == 0
        assert run(surroundings, "--store", store, "add", file, "--as", "model") == 0
        for name, url in (("refuses", "s3://models/refused"), ("garbage", "s3://garbage/x")):
            assert run(surroundings, "--store", store, "mirror", "add", name, url, "--endpoint", refusing) == 0
            for verb in (["push", name], ["pull", name, "model"], ["status", name], ["verify", name]):
                for form in ([], ["--json"]):
                    assert run(surroundings, *form, "--store", store, "mirror", *verb) != 0, verb
        assert run(surroundings, "--store", store, "mirror", "add", "silent", "s3://models/silent", "--endpoint",
                   silent) == 0
        process, connection, head = asked(hanging, surroundings, "--store", store, "--json", "mirror", "push", "silent")
        try:
            core, block = dumped(process, folder)
            arguments = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
        finally:
            process.kill()
            printed.append(process.communicate()[0].decode())
            connection.close()
        assert canary.encode() not in head and canary.encode() not in arguments
        assert b"models" in core, "this is no core of it"
        # The block's own copy, and nothing else.
        expected = block.count(canary.encode())
        assert expected == (1 if way == "environment" else 0)
        found = core.count(canary.encode())
        assert found == expected, f"{way}: the core has the secret {found} times, not {expected}"
        for path in store.rglob("*"):
            assert not path.is_file() or canary.encode() not in path.read_bytes(), f"{path} has the secret"
    everything = "".join(printed)
    assert "SignatureDoesNotMatch" in everything and canary not in everything
    assert canary[:20] not in everything and canary[-20:] not in everything
    print(f"{len(printed)} commands, {len(everything)} bytes of output, 2 cores: no secret")


def main():
    if shutil.which("gcore") is None:
        print("SKIP: there is no gcore here")
        return 77
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cairn-canary-") as name:
        show(pathlib.Path(name))
    print(f"{time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
