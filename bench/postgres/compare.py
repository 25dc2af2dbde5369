#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A store's rows into PostgreSQL, beside the same rows by COPY and by INSERT; and what that costs who puts into the store.

Started by run.sh. One server on loopback, which syncs what it commits. Every round takes each way once, in an order that
rotates, each into a database of its own that was just made; the figures are medians over the rounds. What is held equal:

  rows      half evaluations, half results, each with all columns, as the mirror wrote them, in that order
  tables    those of the schema, with all of their indexes and foreign keys
  mirrored  from an open store to the last COMMIT: reading, encoding, the cursor and all
  COPY      psql's \\copy of files in binary, which are in the page cache
  INSERT    psycopg2, one statement for each row of a sample: in one transaction, and each in its own

Client and server share the machine's cores: the CPU seconds of each are told apart. Of putting beside a pusher the ratio
of medians counts, in pairs whose order changes.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

import psycopg2

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SERVER = SOURCE / "tests/servers/postgres.sh"
TICKS = os.sysconf("SC_CLK_TCK")
TABLES = ("evaluations", "results")


class Server:
    def __init__(self, work):
        self.folder = work / "server"
        started = subprocess.run([SERVER, "start", self.folder], check=True, text=True, stdout=subprocess.PIPE,
                                 env={**os.environ, "FSYNC": "on"}, timeout=120)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self.environment |= {"PGHOST": "127.0.0.1", "PGPORT": started.stdout.strip().splitlines()[-1], "PGUSER": "postgres",
                             "PGPASSWORD": "secret", "PGSSLMODE": "disable", "PGOPTIONS": "-c client_min_messages=warning",
                             "HOME": str(work)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([SERVER, "stop", self.folder], check=True, timeout=120)

    def cpu_seconds(self):
        """Of the server and the sessions that are over, for whose end this waits."""
        server = pathlib.Path("/proc") / (self.folder / "pids").read_text().split()[0]
        while any(self.is_session(pid) for pid in (server / f"task/{server.name}/children").read_text().split()):
            time.sleep(0.01)
        fields = (server / "stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / TICKS

    @staticmethod
    def is_session(pid):
        """One that has ended and is not counted yet has no title any more."""
        try:
            title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return not title or b"postgres: postgres " in title

    def run(self, command, database):
        before, began = self.cpu_seconds(), time.monotonic()
        done = subprocess.run([str(part) for part in command], env={**self.environment, "PGDATABASE": database},
                              stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.monotonic() - began
        return {"seconds": seconds, "server_cpu": self.cpu_seconds() - before, "said": done.stdout}

    def sql(self, database, *statements):
        said = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1"]
        return self.run(said + [part for one in statements for part in ("-c", one)], database)

    def connect(self, database):
        values = self.environment
        return psycopg2.connect(host=values["PGHOST"], port=values["PGPORT"], user="postgres", password="secret",
                                dbname=database, sslmode="disable")

    def fresh(self, database):
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database}")
        # Of what went before, nothing is left to be written.
        self.sql("postgres", f"CREATE DATABASE {database}", "CHECKPOINT")
        return database


class Bench:
    def __init__(self, options, server):
        self.options, self.server = options, server
        self.store = options.work / "store"
        shutil.rmtree(self.store, ignore_errors=True)
        server.run([options.mirror_rows, "fill", self.store, options.rows], "postgres")

    def export(self):
        """What the mirror wrote, as files."""
        database = self.server.fresh("exported")
        self.server.run([self.options.mirror_rows, "push", self.store], database)
        for table in ("stores", *TABLES):
            self.server.sql(database, f"\\copy cairn.{table} TO '{self.options.work}/{table}.copy' (FORMAT binary)")
        with self.server.connect(database) as connection, connection.cursor() as cursor:
            self.sample = {}
            for table in TABLES:
                # Texts are sent as they are and read by the column's type, as a program would send them.
                cursor.execute("SELECT string_agg(quote_ident(attname) || '::text', ', ' ORDER BY attnum) FROM pg_attribute "
                               "WHERE attrelid = %s::regclass AND attnum > 0", (f"cairn.{table}",))
                columns = cursor.fetchone()[0]
                cursor.execute(f"SELECT {columns} FROM cairn.{table} LIMIT {self.options.inserts // len(TABLES)}")
                self.sample[table] = cursor.fetchall()

    def prepared(self, database):
        self.server.fresh(database)
        self.server.run([self.options.mirror_rows, "schema"], database)
        self.server.sql(database, f"\\copy cairn.stores FROM '{self.options.work}/stores.copy' (FORMAT binary)")
        return database

    def mirrored(self):
        database = self.server.fresh("mirrored")
        self.server.run([self.options.mirror_rows, "schema"], database)
        done = self.server.run([self.options.mirror_rows, "push", self.store], database)
        return {**done, **json.loads(done["said"])}

    def copied(self):
        database = self.prepared("copied")
        parts = [self.server.sql(database, f"\\copy cairn.{table} FROM '{self.options.work}/{table}.copy' (FORMAT binary)")
                 for table in TABLES]
        return {"rows": self.options.rows, **{key: sum(part[key] for part in parts) for key in ("seconds", "server_cpu")}}

    def inserted(self, each_in_its_own):
        database = self.prepared("inserted")
        before = self.server.cpu_seconds()
        connection = self.server.connect(database)
        connection.autocommit = each_in_its_own
        began, rows = time.monotonic(), 0
        with connection.cursor() as cursor:
            for table, values in self.sample.items():
                statement = f"INSERT INTO cairn.{table} VALUES ({', '.join(['%s'] * len(values[0]))})"
                # Some hundreds are enough where each is synced.
                for value in values[:len(values) // 4 if each_in_its_own else len(values)]:
                    cursor.execute(statement, value)
                    rows += 1
        if not each_in_its_own:
            connection.commit()
        seconds = time.monotonic() - began
        connection.close()
        return {"seconds": seconds, "rows": rows, "server_cpu": self.server.cpu_seconds() - before}

    def foreground(self):
        database = self.server.fresh("foreground")
        folder = self.options.work / "foreground"
        shutil.rmtree(folder, ignore_errors=True)
        self.server.run([self.options.mirror_rows, "fill", folder, 1000], database)
        self.server.run([self.options.mirror_rows, "push", folder], database)
        done = self.server.run([self.options.mirror_rows, "foreground", folder, self.options.seconds], database)
        return json.loads(done["said"])

    def best_ten(self):
        """Milliseconds, and the indexes of the plan."""
        database = self.prepared("best")
        self.server.sql(database, f"""
            INSERT INTO cairn.experiments SELECT store, 'e' || i, i, 'running', '', NULL, '', NULL, '', 0, 0, NULL
              FROM cairn.stores, generate_series(1, 20) i;
            INSERT INTO cairn.evaluations SELECT store, 1 + i % 20, 'blake3:' || md5(i::text), CASE WHEN i % 997 = 0 THEN
              'NaN' ELSE random() END, i / 100, 'w' || i % 16, 1, i, '{{"loss": 0.5}}', '{{"depth": 12}}', '{{"depth": 12}}'
              FROM cairn.stores, generate_series(1, {self.options.evaluations}) i;""", "ANALYZE")
        query = "SELECT * FROM cairn.best_evaluations LIMIT 10"
        with self.server.connect(database) as connection, connection.cursor() as cursor:
            took = []
            for _ in range(21):
                began = time.monotonic()
                cursor.execute(query)
                assert len(cursor.fetchall()) == 10
                took.append((time.monotonic() - began) * 1e3)
            cursor.execute("EXPLAIN (FORMAT JSON) " + query)
            plan = json.dumps(cursor.fetchone()[0])
        indexes = [name for name in ("evaluations_by_fitness", "experiments_by_number") if f'"{name}"' in plan]
        return took[0], statistics.median(took), indexes


def first_line(command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True,
                              cwd=SOURCE).stdout.decode().strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    return (f"{model}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, Linux {platform.release()}, "
            f"commit {first_line(['git', 'describe', '--always', '--dirty'])}; {first_line(['psql', '--version'])}")


def ratio(pairs):
    """Of the medians, with the pusher to without."""
    return statistics.median(pair[1] for pair in pairs) / statistics.median(pair[0] for pair in pairs)


def report(rounds):
    print("| way | rows | rows/s | of COPY | CPU-s of 100,000 rows: client | server |\n|---|---:|---:|---:|---:|---:|")
    rate = {name: statistics.median(one["rows"] / one["seconds"] for one in done) for name, done in rounds.items()}
    for name, done in rounds.items():
        of = lambda what: statistics.median(one[what] / one["rows"] * 1e5 for one in done)
        client = f"{of('cpu'):.2f}" if "cpu" in done[0] else ""
        print(f"| {name} | {done[0]['rows']} | {rate[name]:.0f} | {rate[name] / rate['COPY']:.2f} | {client} "
              f"| {of('server_cpu'):.2f} |")
    return rate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--mirror-rows", required=True, type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=400_000, help="evaluations and results together")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inserts", type=int, default=10_000, help="rows that are inserted one by one")
    parser.add_argument("--evaluations", type=int, default=1_000_000, help="of which the best ten are asked for")
    parser.add_argument("--seconds", type=float, default=2, help="of each stretch of putting")
    parser.add_argument("--json", type=pathlib.Path, help="keep every measurement here")
    options = parser.parse_args()
    options.work = options.work.resolve()
    # The server may be another user.
    options.work.chmod(0o755)
    with Server(options.work) as server:
        # What the server does by itself, and when, would be in some figures and not in others.
        server.sql("postgres", "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
        print(machine())
        bench = Bench(options, server)
        bench.export()
        ways = {"mirrored": bench.mirrored, "COPY": bench.copied,
                "INSERT, one transaction": lambda: bench.inserted(False), "INSERT, each its own": lambda: bench.inserted(True)}
        rounds, beside, names = {name: [] for name in ways}, [], list(ways)
        for number in range(options.rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr, flush=True)
                rounds[name].append(ways[name]())
        print(f"{options.rows} rows; medians of {options.rounds} rounds\n")
        rate = report(rounds)
        print(f"\nmirrored: {rate['mirrored'] / rate['COPY']:.2f} of COPY (goal 0.8), "
              f"{rate['mirrored'] / rate['INSERT, one transaction']:.1f} x INSERT in one transaction, "
              f"{rate['mirrored'] / rate['INSERT, each its own']:.1f} x one by one (goal 10)")
        print("foreground", file=sys.stderr, flush=True)
        beside = bench.foreground()
        print(f"putting beside a pusher, of without: a call of 2,000 a second {ratio(beside['calls']):.3f} x the time "
              f"({statistics.median(pair[0] for pair in beside['calls']):.1f} us, goal 1.02); as fast as it goes "
              f"{ratio(beside['rates']):.2f} x the rate ({statistics.median(pair[0] for pair in beside['rates']):.0f} a second)")
        print("best ten", file=sys.stderr, flush=True)
        first, median, indexes = bench.best_ten()
        print(f"best ten of {options.evaluations} evaluations by the view: {median:.2f} ms, the first time {first:.2f} ms "
              f"(goal 10), by {' and '.join(indexes) or 'no index'}")
    if options.json:
        options.json.write_text(json.dumps({"rounds": rounds, "foreground": beside}, indent=1))


if __name__ == "__main__":
    main()
