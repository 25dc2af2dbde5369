#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is mirrored to PostgreSQL, against a real server: `postgres_server_test.py [GTEST-OPTION...]`.

Starts the server with tests/servers/postgres.sh, runs the program POSTGRES_TESTS against it, and ends it. Where the
server is not installed this says SKIP and shows nothing.
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

SERVERS = pathlib.Path(__file__).resolve().parents[1] / "servers"
PASSWORD = "a-password-that-nobody-may-see"


class Missing(Exception):
    """What this machine lacks."""


def run(script, *arguments, pipe=None, **environment):
    """The last line that a start script prints."""
    done = subprocess.run([SERVERS / script, *map(str, arguments)], env={**os.environ, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200, check=False,
                          pass_fds=() if pipe is None else (pipe,))
    if done.returncode == 77:
        raise Missing(done.stderr.strip())
    if done.returncode != 0:
        raise RuntimeError(f"{script} {arguments[0]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def certificates(folder):
    """The folder of certificates; nothing where there is no openssl."""
    try:
        run("certificates.sh", folder)
    except Missing as missing:
        print(f"without TLS: {missing}")
        return {}
    return {"CERTIFICATES": str(folder)}


def main():
    # The server must not outlive a test that is told to end, nor one that is killed: this end of the pipe is ours alone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pipe, _ = os.pipe()
    with tempfile.TemporaryDirectory(prefix="cairn-pg-", dir="/tmp") as name:
        folder = pathlib.Path(name)
        # The server may be somebody else, who has to get through.
        folder.chmod(0o755)
        try:
            tls = certificates(folder / "certificates")
            port = run("postgres.sh", "start", folder / "server", pipe=pipe, UNTIL_CLOSED=str(pipe), SECRET=PASSWORD, **tls)
            environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
            environment.update(CAIRN_POSTGRES_PORT=port, CAIRN_POSTGRES_PASSWORD=PASSWORD,
                               CAIRN_POSTGRES_SOCKETS=str(folder / "server" / "server"),
                               CAIRN_POSTGRES_CERTIFICATES=tls.get("CERTIFICATES", ""))
            # What a user has at home is no part of the test.
            environment["HOME"] = str(folder)
            return subprocess.run([os.environ["POSTGRES_TESTS"], *sys.argv[1:]], env=environment, check=False).returncode
        except Missing as missing:
            print(missing)
            return 77
        finally:
            if (folder / "server" / "pids").exists():
                run("postgres.sh", "stop", folder / "server")


if __name__ == "__main__":
    sys.exit(main())
