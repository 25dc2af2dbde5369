#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""DuckDB and hyparquet read the Parquet that Cairn writes, and find in it what the CSV has.

test_results writes the files: every type, nulls, NaN and infinities, texts with quotes, several row groups, none.
DuckDB compares each with the CSV of the same rows, value by value, and asks what only right statistics answer.
hyparquet reads them without DuckDB's code. Both come from npm, once; where npm cannot reach its registry, this test says
SKIP and shows nothing. CAIRN_TEST_SCALE=long makes the longest table one of 10 million rows.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PACKAGES = ["hyparquet@1", "hyparquet-compressors@1", "@duckdb/node-api@1.5.6-r.1"]

READ = r"""
import fs from 'node:fs';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DuckDBInstance } from '@duckdb/node-api';

const folder = process.argv[2];
const connection = await (await DuckDBInstance.create(':memory:')).connect();
const ask = async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJS();
let failures = 0;
const claim = (holds, what) => { if (!holds) { ++failures; console.log('FAILED: ' + what); } };
const quoted = (name) => '"' + name.replaceAll('"', '""') + '"';
const number = (value) => Number(value);

for (const name of ['types', 'long', 'training']) {
  const parquet = `'${folder}/${name}.parquet'`;
  const columns = (await ask(`describe select * from ${parquet}`)).map((c) => [c.column_name, c.column_type]);
  const csv_type = (type) => type === 'FLOAT' ? 'DOUBLE' : type;
  const types = columns.map(([n, t]) => n === 'time' ? `'time_ns': 'BIGINT'` : `'${n.replaceAll("'", "''")}': '${csv_type(t)}'`);
  const csv = `read_csv('${folder}/${name}.csv', header = true, allow_quoted_nulls = false, columns = {${types.join(', ')}})`;
  const left = columns.map(([n, t]) => n === 'time' ? 'epoch_ns(time) as time_ns' : `${quoted(n)}::${csv_type(t)} as ${quoted(n)}`);
  const right = columns.map(([n]) => n === 'time' ? 'time_ns' : quoted(n));
  const from_parquet = `select ${left.join(', ')} from ${parquet}`, from_csv = `select ${right.join(', ')} from ${csv}`;
  const rows = number((await ask(`select count(*) as n from ${parquet}`))[0].n);
  const csv_rows = number((await ask(`select count(*) as n from ${csv}`))[0].n);
  claim(rows > 0 && rows === csv_rows, `${name}: ${rows} rows in Parquet, ${csv_rows} in CSV`);
  for (const [a, b] of [[from_parquet, from_csv], [from_csv, from_parquet]]) {
    const differ = number((await ask(`select count(*) as n from (${a} except all ${b})`))[0].n);
    claim(differ === 0, `${name}: ${differ} rows are not in the other`);
  }
  console.log(`${name}: ${rows} rows and ${columns.length} columns, as the CSV has them`);

  // The same without DuckDB; the clock of JavaScript has milliseconds.
  if (rows > 500000) continue;
  const bytes = fs.readFileSync(`${folder}/${name}.parquet`);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const found = await parquetReadObjects({ file, compressors });
  const expected = await ask(from_csv);
  claim(found.length === expected.length, `${name}: hyparquet reads ${found.length} rows`);
  let wrong = 0;
  for (let i = 0; i < found.length; ++i) {
    for (const [n] of columns) {
      const value = found[i][n];
      const right = n === 'time' ? value.getTime() === number(expected[i].time_ns / 1000000n)
        : Object.is(value ?? null, expected[i][n] ?? null);
      if (!right && ++wrong <= 3) console.log(name, i, n, value, expected[i][n] ?? expected[i].time_ns);
    }
  }
  claim(wrong === 0, `${name}: hyparquet reads ${wrong} values that are not in the CSV`);
}

// What statistics let a reader pass over is nothing that was asked for.
const types = `'${folder}/types.parquet'`;
for (const condition of ['double > 1e300', 'double = -0.0', 'double < 0', 'isnan("double")', 'text = \'\'', 'text >= \'grün\'',
  'integer > 4611686018427387903', 'sparse is null', 'nan is not null', 'once = 1']) {
  const pruned = (await ask(`select count(*) as n from ${types} where ${condition}`))[0].n;
  const all = (await ask(`select count(*) filter (where ${condition}) as n from (select * from ${types} limit 1000000)`))[0].n;
  claim(pruned === all && pruned > 0n, `${condition}: ${pruned} rows, not ${all}`);
}
const groups = await ask(`select path_in_schema as c, row_group_id as g, stats_min_value as lo, stats_max_value as hi,
  stats_null_count as nulls from parquet_metadata('${folder}/long.parquet')`);
claim(groups.some((g) => g.g > 0n), 'long: one row group only');
claim(groups.some((g) => g.c === 'i' && g.g === 0n && g.lo === '0' && number(g.hi) >= 65535), 'long: no range of i');
claim(number((await ask(`select count(*) as n from '${folder}/long.parquet' where i = 299999`))[0].n) === 1, 'long: i = 299999');
const empty = await ask(`describe select * from '${folder}/empty.parquet'`);
claim(empty.map((c) => c.column_type).join() ===
  'BIGINT,FLOAT,DOUBLE,VARCHAR,TIMESTAMP WITH TIME ZONE,TIMESTAMP WITH TIME ZONE', 'empty: ' + empty.map((c) => c.column_type).join());
claim(number((await ask(`select count(*) as n from '${folder}/empty.parquet'`))[0].n) === 0, 'empty: it has rows');
console.log(failures === 0 ? 'everything is as the CSV has it' : `${failures} claims do not hold`);
process.exit(failures === 0 ? 0 : 1);
"""


def skip(why):
    print(f"SKIP: {why}. That others read our Parquet was NOT shown.")
    sys.exit(77)


def main():
    source = pathlib.Path(os.environ.get("CAIRN_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
    binary = pathlib.Path(os.environ.get("CAIRN_BINARY_DIR") or source / "build/dev")
    if not shutil.which("node") or not shutil.which("npm"):
        skip("there is no node or no npm")
    modules = source / "build/npm"
    modules.mkdir(parents=True, exist_ok=True)
    if not all((modules / "node_modules" / name.rpartition("@")[0]).is_dir() for name in PACKAGES):
        installed = subprocess.run(["npm", "install", "--no-audit", "--no-fund", *PACKAGES], cwd=modules,
                                   capture_output=True, text=True, timeout=300)
        if installed.returncode != 0:
            skip("npm cannot install the readers: " + installed.stderr.strip()[-300:])
    with tempfile.TemporaryDirectory() as folder:
        written = subprocess.run([binary / "tests/test_results", "--gtest_filter=MetricExportTest.*"],
                                 env={**os.environ, "CAIRN_PARQUET_FOLDER": folder}, stdout=subprocess.DEVNULL)
        if written.returncode != 0:
            print("the files could not be written")
            return 1
        script = modules / "read_parquet.mjs"
        script.write_text(READ, encoding="utf-8")
        return subprocess.run(["node", script, folder], cwd=modules).returncode


if __name__ == "__main__":
    sys.exit(main())
