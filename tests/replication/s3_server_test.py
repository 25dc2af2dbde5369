#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The S3 client against a real server: `s3_server_test.py radosgw|swift`.

Starts the server with the scripts of tests/servers, and nginx with TLS before it where there is nginx, runs the program
S3_SERVER_TESTS against them, and ends them. Where the server is not installed this says SKIP and shows nothing.
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

SERVERS = pathlib.Path(__file__).resolve().parents[1] / "servers"
KINDS = {
    # s3api of Swift knows no conditions, has one user here, and takes its time for each object.
    "radosgw": {"CAIRN_S3_KEY": "TESTKEY", "CAIRN_S3_OTHER_KEY": "OTHERKEY", "CAIRN_S3_OTHER_SECRET": "OTHERSECRET",
                "CAIRN_S3_CONDITIONS": "yes"},
    "swift": {"CAIRN_S3_KEY": "test:tester", "CAIRN_S3_CONDITIONS": "no", "CAIRN_S3_MANY": "60"},
}


class Missing(Exception):
    """What this machine lacks."""


def run(script, *arguments, **environment):
    """The last line that a start script prints."""
    done = subprocess.run([SERVERS / script, *map(str, arguments)], env={**os.environ, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200, check=False)
    if done.returncode == 77:
        raise Missing(done.stderr.strip())
    if done.returncode != 0:
        raise RuntimeError(f"{script} {arguments[0]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def tls_before(backend, folder):
    """The environment of the tests of TLS; empty where there is no nginx."""
    try:
        run("certificates.sh", folder / "certificates")
        endpoints = run("tls_front.sh", "start", folder / "front", BACKEND=backend.removeprefix("http://"),
                        CERTIFICATES=str(folder / "certificates")).split()
    except Missing as missing:
        print(f"without TLS: {missing}")
        return {}
    names = ["GOOD", "WRONG_NAME", "EXPIRED", "OLD"]
    return {**{f"CAIRN_S3_TLS_{name}": endpoint for name, endpoint in zip(names, endpoints)},
            "CAIRN_S3_CA": str(folder / "certificates" / "ca.pem"),
            "CAIRN_S3_OTHER_CA": str(folder / "certificates" / "other-ca.pem")}


def main():
    kind = sys.argv[1]
    program = os.environ["S3_SERVER_TESTS"]
    # Servers must not outlive a test that is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cairn-s3-") as name:
        folder = pathlib.Path(name)
        try:
            endpoint = run(f"{kind}.sh", "start", folder / kind, SESSIONS="on")
            environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SSL_CERT_"))}
            environment.update(KINDS[kind], CAIRN_S3_ENDPOINT=endpoint, CAIRN_S3_SECRET="TESTSECRET")
            if kind == "radosgw":
                environment.update(tls_before(endpoint, folder))
                environment["CAIRN_S3_SESSIONS"] = (folder / kind / "sessions").read_text(encoding="utf-8").strip()
            return subprocess.run([program, *sys.argv[2:]], env=environment, check=False).returncode
        except Missing as missing:
            print(missing)
            return 77
        finally:
            for script, at in ((f"{kind}.sh", folder / kind), ("tls_front.sh", folder / "front")):
                if (at / "pids").exists():
                    run(script, "stop", at)


if __name__ == "__main__":
    sys.exit(main())
