#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Artifacts in one bucket of a real S3 server (Ceph's radosgw), through the command.

Files go there and come back bit for bit, in one request or in parts, and a file that is in the way stays as it was when
anything fails. 1,100 of them are listed, counted and removed by their prefix, and nothing beside them is. What is
abandoned of uploads is taken back. Presigned URLs read and put without credentials, for as long as they say. What is
missing, wrong or not allowed is a clear error, and no secret is in anything that is printed.
Where the server is not installed this ends as skipped.
"""
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

CAIRN = os.environ["CAIRN"]
SERVERS = pathlib.Path(__file__).resolve().parents[1] / "servers"
SECRET = "TESTSECRET"
PLACE = "s3://artifacts/team"
printed = []  # everything that the command has said, but presigned URLs: they are made of a signature


def server(*arguments):
    done = subprocess.run([SERVERS / "radosgw.sh", *map(str, arguments)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=200, check=False)
    if done.returncode == 77:
        print(done.stderr.strip())
        sys.exit(77)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def environment(key, secret, place):
    result = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SSL_CERT_", "CAIRN_"))}
    result.update(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret, AWS_EC2_METADATA_DISABLED="true",
                  HOME="/nonexistent", CAIRN_ARTIFACTS=place)
    return result


class Command:
    def __init__(self, endpoint, folder):
        self.endpoint, self.folder = endpoint, folder

    def run(self, *arguments, code=0, key="TESTKEY", secret=SECRET, place=PLACE, given=b""):
        """What it says on standard output, as bytes."""
        words = [CAIRN, "--json", "artifact", *map(str, arguments), "--endpoint", self.endpoint]
        done = subprocess.run(words, env=environment(key, secret, place), cwd=self.folder, input=given,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)
        printed.extend([done.stdout, done.stderr])
        assert done.returncode == code, f"{arguments} ended with {done.returncode}, not {code}: {done.stderr}"
        return done.stdout if code in (0, 3) else done.stderr

    def json(self, *arguments, **named):
        return json.loads(self.run(*arguments, **named).splitlines()[-1])

    def names(self, *arguments):
        return [row["name"] for row in self.json("ls", *arguments)]


def status_of(url, method="GET", body=None):
    """What a server says to somebody who has nothing but the URL, and with which status."""
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def show_content(cairn, folder):
    """Bytes of every size that matters come back as they were, with what was said of them."""
    part = 8 << 20
    for size in (0, 1, part - 1, part, part + 1, 2 * part, 30 << 20):
        content = os.urandom(size)
        (folder / "out").write_bytes(content)
        put = cairn.json("put", "out", f"sizes/{size}")
        assert put["bytes"] == size and put["etag"], put
        assert put["etag"].strip('"').endswith(f"-{-(-size // part)}") == (size >= part), put
        got = cairn.json("get", f"sizes/{size}", "in")
        assert got["bytes"] == size and (folder / "in").read_bytes() == content, size
        assert cairn.run("get", f"sizes/{size}", "-") == content, size
        cairn.run("put", "-", "from-a-pipe", given=content)
        cairn.run("get", "from-a-pipe", "in")
        assert (folder / "in").read_bytes() == content, size

    (folder / "plot.png").write_bytes(b"no picture")
    cairn.run("put", "plot.png", "--content-type", "image/png", "--metadata", "run=7", "--metadata", "note=a b")
    (folder / "linked").symlink_to("plot.png")
    cairn.run("put", "linked", "runs/of a name/ä+%2F?.png")
    stat = cairn.json("stat", "plot.png")
    assert (stat["content_type"], stat["metadata"]) == ("image/png", {"note": "a b", "run": "7"}), stat
    assert stat["bytes"] == 10 and stat["modified"].endswith("Z"), stat
    cairn.run("cp", "plot.png", "copy.png")
    copy = cairn.json("stat", "copy.png")
    assert (copy["content_type"], copy["metadata"], copy["etag"]) == ("image/png", stat["metadata"], stat["etag"]), copy
    assert cairn.names("runs/") == ["runs/of a name/ä+%2F?.png"]
    cairn.run("get", "runs/of a name/ä+%2F?.png")
    assert (folder / "ä+%2F?.png").read_bytes() == b"no picture"
    cairn.run("put", "plot.png", "runs/of a name/ä+%2F?.png", "--content-type", "text/plain")  # takes its place
    assert cairn.json("stat", "runs/of a name/ä+%2F?.png")["content_type"] == "text/plain"


def show_published(cairn, folder):
    """A file of a version is an object like any other, bit for bit, and says what it is."""
    def store(*arguments):
        subprocess.run([CAIRN, "--json", *map(str, arguments)], env=environment("TESTKEY", SECRET, PLACE), cwd=folder,
                       stdout=subprocess.PIPE, check=True, timeout=300)
    (folder / "model").mkdir()
    contents = {"weights.bin": os.urandom(20 << 20), "config.json": b"{}", "empty": b""}
    for name, content in contents.items():
        (folder / "model" / name).write_bytes(content)
    store("--store", "store", "init")
    store("--store", "store", "add", "model", "--as", "llama")
    store("--store", "store", "add", "model/config.json", "--as", "single")
    for name, content in contents.items():
        put = cairn.json("publish", "llama@1", f"published/{name}", "--file", f"model/{name}", "--store", "store",
                         "--content-type", "application/x-model", "--metadata", "by=us")
        assert put["bytes"] == len(content), put
        assert cairn.run("get", f"published/{name}", "-") == content, name
        stat = cairn.json("stat", f"published/{name}")
        assert stat["content_type"] == "application/x-model", stat
        assert stat["metadata"]["by"] == "us" and stat["metadata"]["cairn-ref"] == "llama@1", stat
        assert stat["metadata"]["cairn-id"].startswith("blake3:"), stat
    cairn.run("publish", "single", "published/one", "--store", "store")
    assert cairn.run("get", "published/one", "-") == b"{}"
    cairn.run("publish", "llama", "published/which", "--store", "store", code=2)
    cairn.run("publish", "llama@7", "published/which", "--store", "store", code=12)
    cairn.run("publish", "llama", "published/which", "--file", "absent", "--store", "store", code=12)
    cairn.run("stat", "published/which", code=12)


def show_many(cairn, folder):
    """A listing has no end at 1,000, and a removal none beyond its prefix."""
    (folder / "small").write_bytes(b"12345")
    wanted = [f"many/{number:04}" for number in range(1100)]
    cairn.run("put", "small", "many")
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: cairn.run("cp", "many", name), wanted))
    cairn.run("put", "small", "many-others")
    assert cairn.names("many/") == wanted
    assert cairn.names("many/", "--limit", 7) == wanted[:7]
    assert cairn.names("many/", "--limit", 1050) == wanted[:1050]
    total = cairn.json("ls", "many/", "--total")
    assert (total["artifacts"], total["bytes"]) == (1100, 5500), total
    assert cairn.names("none/") == [] and cairn.json("ls", "none/", "--total")["artifacts"] == 0

    dry = cairn.json("rm", "--prefix", "many/", "--dry-run")
    assert (dry["removed"], dry["removed_bytes"], dry["dry_run"]) == (1100, 5500, True), dry
    cairn.run("rm", "--prefix", "many/", code=2)  # nobody agreed
    assert len(cairn.names("many/")) == 1100
    gone = cairn.json("rm", "--prefix", "many/", "--yes")
    assert (gone["removed"], gone["removed_bytes"], gone["failed"]) == (1100, 5500, 0), gone
    assert cairn.names("many") == ["many", "many-others"]
    cairn.run("rm", "many", "--dry-run")
    cairn.run("rm", "many")
    cairn.run("rm", "many", code=12)
    assert cairn.names("many") == ["many-others"]


def show_urls(cairn, folder):
    """Whoever has a URL needs nothing else, and can do nothing else with it."""
    get = cairn.json("url", "plot.png")
    printed.pop(-2)
    assert get["expires_seconds"] == 3600 and "X-Amz-Expires=3600" in get["url"], get
    assert SECRET not in get["url"]
    assert status_of(get["url"]) == (200, b"no picture")
    assert status_of(get["url"].replace("plot.png", "copy.png"))[0] == 403
    assert status_of(get["url"], "PUT", b"other")[0] == 403
    assert status_of(get["url"].split("?")[0])[0] == 403
    put = cairn.json("url", "put/by anybody", "--put", "--expires", 600)
    printed.pop(-2)
    assert status_of(put["url"])[0] == 403
    assert status_of(put["url"], "PUT", b"from elsewhere")[0] == 200
    assert cairn.run("get", "put/by anybody", "-") == b"from elsewhere"
    for seconds in (0, 7 * 86400 + 1):
        cairn.run("url", "plot.png", "--expires", seconds, code=2)


def show_errors(cairn, folder):
    """What goes wrong is named, and leaves what was there."""
    (folder / "there").write_bytes(b"as it was")
    before = sorted(path.name for path in folder.iterdir())
    for wrong in (dict(code=12), dict(code=1, secret="CANARYSECRET"), dict(code=1, key="NOBODY", secret="OTHERSECRET"),
                  dict(code=1, key="OTHERKEY", secret="OTHERSECRET")):
        cairn.run("get", "absent", "there", **wrong)
        cairn.run("cp", "absent", "somewhere", **wrong)
        cairn.run("stat", "absent", **wrong)
        if wrong.get("secret") == "CANARYSECRET":
            assert all(b"SignatureDoesNotMatch" in said for said in printed[-5::2]), printed[-6:]
    assert b"artifacts/team/absent" in printed[-3] + printed[-1], printed[-4:]
    for words in (("get", "plot.png", "there"), ("put", "there", "x"), ("rm", "--prefix", "x", "--yes"), ("ls",)):
        cairn.run(*words, code=1, secret="CANARYSECRET")
    cairn.run("get", "plot.png", "no/such/folder", code=1)
    cairn.run("get", "plot.png", folder, code=2)
    cairn.run("get", "plot.png", "/dev/null", code=2)
    cairn.run("put", "no-such-file", code=1)
    cairn.run("put", folder, "folder", code=1)
    cairn.run("put", "there", "x", "--metadata", "Upper=1", code=2)
    cairn.run("put", "there", "x" * 1100, code=2)
    cairn.run("put", "-", code=2)
    cairn.run("get", "runs/", code=2)
    cairn.run("stat", code=2)
    cairn.run("frobnicate", code=2)
    cairn.run("ls", code=2, place="")
    cairn.run("ls", code=2, place="http://artifacts")
    cairn.run("ls", code=12, place="s3://not-there")
    assert sorted(path.name for path in folder.iterdir()) == before
    assert (folder / "there").read_bytes() == b"as it was"
    assert cairn.names("x") == []


def show_abandoned(cairn, folder):
    """What a killed upload left is taken back, and only what is old enough."""
    with subprocess.Popen([CAIRN, "artifact", "put", "-", "killed/upload", "--endpoint", cairn.endpoint],
                          env=environment("TESTKEY", SECRET, PLACE), stdin=subprocess.PIPE) as upload:
        upload.stdin.write(os.urandom(17 << 20))  # more than a part has
        upload.stdin.flush()
        for _ in range(600):
            if cairn.json("abort", "killed/", "--older-than", 0)["aborted"] == 1:
                break
        else:
            raise AssertionError("no upload was begun")
        upload.kill()
    assert cairn.json("abort", "--older-than", 0)["aborted"] in (0, 1)
    assert cairn.json("abort", "--older-than", 0)["aborted"] == 0
    cairn.run("stat", "killed/upload", code=12)


def show(folder, endpoint):
    cairn = Command(endpoint, folder)
    cairn.run("stat", "plot.png", code=12)  # there is no bucket yet
    cairn.run("ls", code=12)
    for part in (show_content, show_published, show_many, show_urls, show_errors, show_abandoned):
        part(cairn, folder)
    said = b"".join(printed)
    for secret in (SECRET, "CANARYSECRET", "OTHERSECRET"):
        assert secret.encode() not in said, secret
    print("put, got, listed, signed and removed")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cairn-artifact-") as name:
        folder = pathlib.Path(name)
        (folder / "files").mkdir()
        try:
            show(folder / "files", server("start", folder / "radosgw"))
        finally:
            if (folder / "radosgw" / "pids").exists():
                server("stop", folder / "radosgw")


if __name__ == "__main__":
    main()
