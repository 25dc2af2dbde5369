#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Processes that push stores into PostgreSQL, and are killed, cut off or left alone by the server: `postgres_kill_test.py
[--sequences N] [--seconds N]`.

First eight of them make the schema at once, each with a store of its own. Then one store is changed and pushed again and
again, through a relay that counts messages and acts at one of them: the process is killed, its connection cut or hung, its
session terminated or killed, or the whole server killed (and started again). Whatever happened, the next push ends well, the
database has what a fresh push of the store makes, row for row, and the server's own log of changes says how it came there:
each version of a result once, versions of a key in order, and rows only in transactions that move the cursor, which never
goes back. The password is in no arguments, no output, no log and no file of the store.

CAIRN_TEST_SEED replays; CAIRN_TEST_SCALE=long goes on for a minute. Where the server is not installed this ends as skipped.
"""
import argparse
import collections
import os
import pathlib
import random
import re
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PUSH = os.environ["PUSH_PROCESS"]
SERVER = pathlib.Path(__file__).resolve().parents[1] / "servers" / "postgres.sh"
FAULTS = ("kill", "cut", "hang", "terminate", "backend", "server")
# The server recovers from the last two for a while.
WEIGHTS = (8, 4, 1, 4, 2, 1)
TABLES = ("experiments", "experiment_progress", "evaluations", "results", "metrics", "snapshots", "files", "refs", "tensors",
          "left_out")


class Server:
    def __init__(self, folder, password):
        self.folder, self.password = folder / "server", password
        self.pipe, _ = os.pipe()
        self.port = int(self.call("start", UNTIL_CLOSED=str(self.pipe), SETTINGS="wal_level = logical\nlog_statement = all"))
        self.logs = ""

    def call(self, verb, **more):
        done = subprocess.run([SERVER, verb, self.folder], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=200, check=False, pass_fds=(self.pipe,),
                              env={**os.environ, "SECRET": self.password, **more})
        if done.returncode == 77:
            print(done.stderr.strip())
            sys.exit(77)
        assert done.returncode == 0, done.stderr
        return (done.stdout.strip().splitlines() or [""])[-1]

    def log(self):
        return self.logs + (self.folder / "postgres.out").read_text(errors="replace")

    def kill(self):
        """All of it: the last message is never answered."""
        os.kill(int((self.folder / "pids").read_text()), signal.SIGKILL)

    def again(self):
        self.logs = self.log()
        self.call("again")


class Relay:
    """Passes on what the client of one connection after the other and the server say, message by message."""

    def __init__(self, port):
        self.server_port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.begin(None, False, None)
        threading.Thread(target=self.serve, daemon=True).start()

    def begin(self, at, passes, act):
        """At message number `at`, over all connections, act(the session's process): "cut", "hang", or nothing more."""
        self.at, self.passes, self.act, self.messages, self.met = at, passes, act, 0, False

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.server_port))
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.carry(client, server)
            except OSError:
                pass
            client.close()
            server.close()

    def carry(self, client, server):
        unread, session, untyped = {client: b"", server: b""}, 0, True
        while True:
            for one in select.select([client, server], [], [])[0]:
                got = one.recv(1 << 16)
                if not got:
                    return
                unread[one] += got
                while True:
                    head = 0 if one is client and untyped else 1
                    if len(unread[one]) < head + 4:
                        break
                    size = head + struct.unpack_from(">I", unread[one], head)[0]
                    if len(unread[one]) < size:
                        break
                    message, unread[one] = unread[one][:size], unread[one][size:]
                    untyped = untyped and one is server
                    if one is server and message[:1] == b"K":
                        session = struct.unpack_from(">I", message, 5)[0]
                    other = server if one is client else client
                    number, self.messages = self.messages, self.messages + 1
                    if number != self.at:
                        other.sendall(message)
                        continue
                    self.met = True
                    if self.passes:
                        other.sendall(message)
                    then = self.act(session)
                    if then == "hang":
                        while client.recv(1 << 16):
                            pass
                    if then:
                        return
                    if not self.passes:
                        other.sendall(message)


class Database:
    """By psql, as the one who looks."""

    def __init__(self, server, environment):
        self.server, self.environment = server, environment

    def sql(self, database, *statements):
        command = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1"] + [part for one in statements for part in ("-c", one)]
        done = subprocess.run(command, env={**self.environment, "PGDATABASE": database, "PGPORT": str(self.server.port)},
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, database):
        every = " UNION ALL ".join(f"SELECT '{table} ' || t::text AS line FROM cairn.{table} t" for table in TABLES)
        return collections.Counter(self.sql(database, f"SELECT line FROM ({every}) AS lines").splitlines())


class Changes:
    """What the server's log says was committed, transaction by transaction."""

    def __init__(self, database):
        self.database, self.last, self.seen = database, (0, 0), 0
        self.versions, self.cursors = {}, {}
        database.sql("mirrored", "SELECT pg_create_logical_replication_slot('changes', 'test_decoding')")

    def check(self):
        said = self.database.sql("mirrored", "SELECT lsn, data FROM pg_logical_slot_get_changes('changes', NULL, NULL, "
                                 "'include-xids', 'false', 'skip-empty-xacts', 'true')")
        transaction = []
        for line in said.splitlines():
            place, data = line.split("|", 1)
            if data.startswith("COMMIT"):
                at = tuple(int(half, 16) for half in place.split("/"))
                # A server that was killed may say again what it had said.
                if at > self.last:
                    self.last = at
                    self.check_one(transaction)
                transaction = []
            elif data.startswith("table cairn."):
                transaction.append(data)

    def check_one(self, transaction):
        moved = False
        for line in transaction:
            table, verb, cells = re.match(r"table cairn\.(\w+): (\w+): (.*)", line).groups()
            if table == "stores" and verb == "UPDATE":
                cursor = tuple(map(int, re.search(r"log_segment\[bigint\]:(\d+) log_offset\[bigint\]:(\d+)", cells).groups()))
                assert cursor > self.cursors.get("store", (0, 0)), f"the cursor came from {self.cursors} to {cursor}"
                self.cursors["store"] = cursor
                moved = True
            if table == "results" and verb in ("INSERT", "UPDATE"):
                key = re.search(r" key\[text\]:'(key \d+)'", cells)[1]
                version = int(re.search(r" version\[bigint\]:(\d+) ", cells)[1])
                assert version > self.versions.get(key, 0), f"{key}: {self.versions.get(key)} and then {version}"
                self.versions[key] = version
                self.seen += 1
        said = [line for line in transaction if not line.startswith(("table cairn.stores", "table cairn.schema_versions"))]
        assert moved or not said, f"rows without their cursor: {said[:3]}"


class Test:
    def __init__(self, folder, seed):
        self.folder, self.chance = folder, random.Random(seed)
        # A canary, in a file of passwords.
        self.password = "canary" + secrets.token_hex(16)
        (folder / "passwords").write_text(f"*:*:*:*:{self.password}\n")
        (folder / "passwords").chmod(0o600)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self.environment = {**clean, "PGHOST": "127.0.0.1", "PGUSER": "postgres", "PGSSLMODE": "disable",
                            "PGGSSENCMODE": "disable", "PGPASSFILE": str(folder / "passwords"), "HOME": str(folder),
                            "PGOPTIONS": "-c client_min_messages=warning"}
        self.server = Server(folder, self.password)
        self.database = Database(self.server, self.environment)
        self.relay = Relay(self.server.port)
        self.printed, self.arguments = [], set()
        self.outcomes = collections.Counter()

    def begin(self, *arguments, database="mirrored", port=None):
        environment = {**self.environment, "PGDATABASE": database, "PGPORT": str(port or self.server.port)}
        return subprocess.Popen([PUSH, *map(str, arguments)], env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def end(self, process):
        said = process.communicate(timeout=120)[0].decode()
        self.printed.append(said)
        return process.returncode, said

    def push(self, *arguments, database="mirrored"):
        status, said = self.end(self.begin(*arguments, database=database))
        assert status == 0, f"{arguments}: {status}: {said}"
        return said

    def eight_at_once(self):
        """Nobody has made the schema, and everybody needs it."""
        self.database.sql("postgres", "CREATE DATABASE at_once", "CREATE DATABASE one_by_one")
        stores = [self.folder / f"store-{i}" for i in range(8)]
        # Filled before, so that they come to the database together.
        processes = [self.begin(store, i, 8, database="nowhere") for i, store in enumerate(stores)]
        for status, said in map(self.end, processes):
            assert status == 1 and "does not exist" in said, said
        processes = [self.begin(store, database="at_once") for store in stores]
        for status, said in map(self.end, processes):
            assert status == 0, said
        for store in stores:
            self.push(store, database="one_by_one")
        assert self.database.rows("at_once") == self.database.rows("one_by_one"), "eight at once made something else"
        assert self.database.sql("at_once", "SELECT count(*), max(version) FROM cairn.schema_versions").strip() == "1|1"
        print("eight processes made the schema at once")

    def act(self, fault, process):
        """At the chosen message, on the relay's thread."""
        def at_message(session):
            if fault == "kill":
                process().kill()
                return "cut"
            if fault == "server":
                self.server.kill()
                return "cut"
            if session and fault in ("terminate", "backend"):
                # pg_terminate_backend() sends nothing else.
                os.kill(session, signal.SIGTERM if fault == "terminate" else signal.SIGKILL)
                return ""
            if fault == "hang":
                self.arguments.add(pathlib.Path(f"/proc/{process().pid}/cmdline").read_bytes())
            return "hang" if fault == "hang" else "cut"
        return at_message

    def sequence(self, number, messages):
        """How many messages it took."""
        fault = self.chance.choices(FAULTS, WEIGHTS)[0]
        plan = (fault, self.chance.randrange(messages), self.chance.random() < 0.5)
        seed, changes = self.chance.getrandbits(32), self.chance.randrange(1, 16)
        store, started, processes = self.folder / "store", threading.Event(), []

        def process():
            started.wait()
            return processes[0]

        self.relay.begin(plan[1], plan[2], self.act(fault, process))
        processes.append(self.begin(store, seed, changes, port=self.relay.port))
        started.set()
        try:
            if fault == "server":
                while processes[0].poll() is None and not self.relay.met:
                    time.sleep(0.005)
                if self.relay.met:
                    self.server.again()
            status, said = self.end(processes[0])
            wanted = -signal.SIGKILL if fault == "kill" and self.relay.met else 0
            assert status == wanted, f"{status}: {said}"
            self.outcomes[fault if self.relay.met else "none"] += 1
            messages = max(60, self.relay.messages) if not self.relay.met else messages
            self.push(store)
            self.database.sql("fresh", "DELETE FROM cairn.stores")
            self.push(store, database="fresh")
            here, fresh = self.database.rows("mirrored"), self.database.rows("fresh")
            assert here == fresh, f"missing {list(fresh - here)[:3]}, extra {list(here - fresh)[:3]}"
            if number % 10 == 9:
                self.changes.check()
        except BaseException:
            print(f"sequence {number}: {plan}, seed {seed}, {changes} changes", flush=True)
            raise
        return messages

    def sequences(self, count, until):
        self.database.sql("postgres", "CREATE DATABASE mirrored", "CREATE DATABASE fresh")
        self.push(self.folder / "store", self.chance.getrandbits(32), 30, database="fresh")
        self.changes = Changes(self.database)
        done, messages = 0, 120
        while done < count and time.monotonic() < until:
            messages = self.sequence(done, messages)
            done += 1
        self.changes.check()
        assert self.changes.seen >= done // 2, f"{self.changes.seen} results were seen"
        met = sum(self.outcomes.values()) - self.outcomes["none"]
        assert met >= done // 3, f"only {met} of {done} met their fault"
        print(f"{done} sequences: " + ", ".join(f"{what} {n}" for what, n in sorted(self.outcomes.items())) +
              f"; {self.changes.seen} results in order")

    def nobody_has_seen_the_password(self):
        wrong = "wrong" + secrets.token_hex(16)
        (self.folder / "passwords").write_text(f"*:*:*:*:{wrong}\n")
        status, said = self.end(self.begin(self.folder / "store"))
        assert status == 1 and "password authentication failed" in said, said
        for secret in (self.password, wrong):
            assert secret not in "".join(self.printed), "the output has the password"
            assert secret not in self.server.log(), "the server's log has the password"
            assert all(secret.encode() not in one for one in self.arguments), "the arguments have the password"
            for path in self.folder.glob("store*/**/*"):
                assert not path.is_file() or secret.encode() not in path.read_bytes(), f"{path} has the password"
        print(f"{len(self.printed)} processes, {len(self.server.log())} bytes of the server's log: no password")


def main():
    parser = argparse.ArgumentParser()
    is_long = os.environ.get("CAIRN_TEST_SCALE") == "long"
    parser.add_argument("--sequences", type=int, default=10_000 if is_long else 12)
    parser.add_argument("--seconds", type=int, default=60, help="after which no more are begun")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = int(os.environ.get("CAIRN_TEST_SEED", "4711"))
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="cairn-pg-kill-", dir="/tmp") as name:
        folder = pathlib.Path(name)
        # The server may be somebody else.
        folder.chmod(0o755)
        test = Test(folder, seed)
        try:
            test.eight_at_once()
            test.sequences(options.sequences, time.monotonic() + options.seconds)
            test.nobody_has_seen_the_password()
        finally:
            test.server.call("stop")
    return 0


if __name__ == "__main__":
    sys.exit(main())
