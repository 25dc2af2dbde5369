#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stores and one PostgreSQL database, through the command.

Two stores mirror to one database, over TLS; what they say is there once, is found by one query, follows what is
removed, and is brought by a reader beside whoever writes, also when the database was away meanwhile. Wrong passwords,
authorities and hosts are clear errors, calls about content say that a database has none, and the password is in nothing
that is printed or kept, nor in the arguments or the environment of the command. Where the server is not installed, or
the command is built without PostgreSQL, this ends as skipped.
"""
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile

CAIRN = os.environ["CAIRN"]
SERVERS = pathlib.Path(__file__).resolve().parents[1] / "servers"
PASSWORD = secrets.token_hex(12)
WRONG = secrets.token_hex(12)
printed = []  # everything that the command has said


def server(script, *arguments, pipe=None, **environment):
    done = subprocess.run([SERVERS / script, *map(str, arguments)], env={**os.environ, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200, check=False,
                          pass_fds=() if pipe is None else (pipe,))
    if done.returncode == 77:
        print(done.stderr.strip())
        sys.exit(77)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def environment_of(home):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "CAIRN_", "SSL_CERT_"))}
    return {**clean, "HOME": str(home)}


def cairn(store, *arguments, code=0, home, given=""):
    """The last line of what the command says, as JSON."""
    done = subprocess.run([CAIRN, "--store", store, "--json", *map(str, arguments)], env=environment_of(home),
                          text=True, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)
    printed.extend([done.stdout, done.stderr])
    if "this build of cairn has no PostgreSQL" in done.stderr:
        print(done.stderr.strip())
        sys.exit(77)
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


class Database:
    """A server with the database `results`, and homes of users who know its password, or another."""

    def __init__(self, folder, port):
        self.port = port
        self.certificates = folder / "certificates"
        self.home, self.other_home = folder / "home", folder / "other-home"
        for home, password in ((self.home, PASSWORD), (self.other_home, WRONG)):
            home.mkdir()
            file = home / ".pgpass"
            file.touch(0o600)
            file.write_text(f"*:*:*:*:{password}\n")
        self.sql("CREATE DATABASE results", database="postgres")

    def sql(self, text, database="results"):
        """What a query answers, its columns parted by '|'."""
        done = subprocess.run(["psql", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-Atc", text, database],
                              env={**environment_of(self.home), "PGSSLMODE": "disable"}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def url(self, host="localhost", more=""):
        return f"postgresql://postgres@{host}:{self.port}/results{more}"

    def place(self, host="localhost", more="", ca="ca.pem"):
        return [self.url(host, more), "--ca-file", str(self.certificates / ca)]


def show(folder, database):
    def run(store, *arguments, code=0, given="", home=database.home):
        return cairn(store, *arguments, code=code, given=given, home=home)

    a, b = str(folder / "a"), str(folder / "b")
    shared, own = os.urandom(1 << 16), os.urandom(1 << 16)
    model, tuned = folder / "model.safetensors", folder / "tuned.safetensors"
    safetensors(model, {"shared": shared})
    safetensors(tuned, {"shared": shared, "own": own})
    for store, file, name in ((a, model, "llama"), (b, tuned, "tuned")):
        run(store, "init")
        run(store, "mirror", "add", "db", *database.place())
        run(store, "add", file, "--as", name)
        run(store, "results", "put", "loss", "--serializer", "json", given="0.25")
    assert run(a, "mirror", "status", "db")["behind_statements"] > 0

    first = run(a, "mirror", "push", "db")
    assert first["rows"] > 0 and first["requests"] > 0 and first["sent_bytes"] > 0 and first["left_out"] == [], first
    run(b, "mirror", "push", "db")
    assert run(a, "mirror", "push", "db")["requests"] == 0
    status = run(a, "mirror", "status", "db")
    assert status["behind_statements"] == 0 and status["left_out"] == [], status
    assert status["rows"]["results"] == 1 and status["rows"]["refs"] == 1, status
    assert len(status["stores"]) == 2, status
    assert sorted(name for one in status["stores"] for name in one["names"]) == ["llama@1", "tuned@1"], status
    assert [one["names"] for one in status["stores"] if one["is_this"]] == [["llama@1"]], status
    # Which models contain this tensor, of all stores.
    both = database.sql("SELECT string_agg(DISTINCT ref, ' ' ORDER BY ref) FROM cairn.tensor_locations GROUP BY id "
                        "HAVING count(DISTINCT store) = 2")
    assert both == "llama tuned", both
    run(b, "rm", "tuned", "--yes")
    run(b, "mirror", "push", "db")
    assert database.sql("SELECT string_agg(name, ' ') FROM cairn.refs") == "llama"

    follow(database, a, run)
    refuse(folder, database, a, run)

    # What is there stays when the store does not know the mirror any more.
    run(b, "mirror", "rm", "db")
    run(b, "mirror", "push", "db", code=12)
    assert database.sql("SELECT count(*) FROM cairn.stores") == "2"


def follow(database, store, run):
    """A reader keeps the database up to date beside whoever writes, and catches up when it was away."""
    following = subprocess.Popen([CAIRN, "--store", store, "--json", "mirror", "push", "db", "--follow"],
                                 env=environment_of(database.home), text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)

    def wait_until_current():
        while run(store, "mirror", "status", "db")["behind_statements"] > 0:
            told = following.stdout.readline()
            assert told, following.communicate()
            printed.append(told)

    try:
        run(store, "results", "put", "beside", given="1")
        wait_until_current()
        encrypted = database.sql("SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity USING (pid) "
                                 "WHERE application_name = 'cairn'")
        assert encrypted in ("t", ""), encrypted  # it may rest by now
        process = pathlib.Path("/proc") / str(following.pid)
        for said in ("cmdline", "environ"):
            assert PASSWORD.encode() not in (process / said).read_bytes(), said

        database.sql("ALTER DATABASE results ALLOW_CONNECTIONS false", database="postgres")
        database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'results'",
                     database="postgres")
        for i in range(3):
            run(store, "results", "put", f"away{i}", given=str(i))
        # It tells of the push that failed.
        told = json.loads(following.stdout.readline())
        while told["failures"] == 0:
            told = json.loads(following.stdout.readline())
        assert "SQLSTATE" in told["error"], told
        database.sql("ALTER DATABASE results ALLOW_CONNECTIONS true", database="postgres")
        wait_until_current()
        assert database.sql("SELECT count(*) FROM cairn.results WHERE key LIKE 'away%'") == "3"
        following.send_signal(signal.SIGINT)
        printed.extend(following.communicate(timeout=60))
        assert following.returncode == 130, following.returncode
    finally:
        if following.poll() is None:
            following.kill()
            following.wait()


def refuse(folder, database, store, run):
    """What goes wrong is named, and the password is not."""
    for name, words, place in (
            ("other-authority", "certificate", database.place(ca="other-ca.pem")),
            ("other-host", "certificate", database.place(host="other.example", more="?hostaddr=127.0.0.1")),
            ("no-authority", "certificate", [database.url(more="?sslmode=verify-full")])):
        run(store, "mirror", "add", name, *place)
        run(store, "mirror", "push", name, code=1)
        assert words in printed[-1], printed[-1]
        run(store, "mirror", "rm", name)
    run(store, "mirror", "push", "db", code=2, home=database.other_home)
    assert "28P01" in printed[-1], printed[-1]

    for url in (f"postgresql://postgres:{WRONG}@localhost/results", f"postgres://localhost/results?password={WRONG}",
                f"postgresq://postgres:{WRONG}@localhost/results", f"postgresql://postgres:{WRONG}@[::1"):
        run(store, "mirror", "add", "password", url, code=2)
    run(store, "mirror", "add", "password", f"postgresql://postgres:{WRONG}@localhost/results", code=2)
    assert ".pgpass" in printed[-1], printed[-1]
    run(store, "mirror", "add", "region", database.url(), "--region", "eu-central-1", code=2)
    run(store, "mirror", "add", "db", "postgresql://elsewhere/results", code=1)

    for call in (("mirror", "gc", "db"), ("repair", "--from", "db")):
        run(store, *call, code=1)
        assert "the mirror 'db'" in printed[-1], printed[-1]
    run(str(folder / "restored"), "mirror", "restore", database.url(), code=1)
    assert not (folder / "restored").exists()

    listed = run(store, "mirror", "list")
    assert [one["url"] for one in listed] == [database.url()], listed
    said = "".join(printed)
    for secret in (PASSWORD, WRONG):
        assert secret not in said, "a password was printed"
        for file in pathlib.Path(store).rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes(), f"a password is in {file}"


def main():
    # The server must not outlive a test that is told to end, nor one that is killed: this end of the pipe is ours alone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pipe, _ = os.pipe()
    with tempfile.TemporaryDirectory(prefix="cairn-pg-", dir="/tmp") as name:
        folder = pathlib.Path(name)
        # The server may be somebody else, who has to get through.
        folder.chmod(0o755)
        try:
            server("certificates.sh", folder / "certificates")
            port = server("postgres.sh", "start", folder / "server", pipe=pipe, UNTIL_CLOSED=str(pipe), SECRET=PASSWORD,
                          CERTIFICATES=str(folder / "certificates"))
            show(folder, Database(folder, port))
            print("mirrored, followed and refused")
        finally:
            if (folder / "server" / "pids").exists():
                server("postgres.sh", "stop", folder / "server")


if __name__ == "__main__":
    main()
