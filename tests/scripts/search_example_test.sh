#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The example of a search computes nothing twice, over two runs, and the command shows what it
# has kept: experiments, metrics, operations, results.
set -euo pipefail
: "${CAIRN:?the path of the command}" "${CAIRN_BINARY_DIR:?the build folder}"
CAIRN=$(realpath "$CAIRN")
program=$CAIRN_BINARY_DIR/api/examples/search
unset CAIRN_STORE CAIRN_JSON CAIRN_QUIET CAIRN_NO_COLOR CAIRN_YES
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cairn-search-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

"$program" store >first
"$program" store >second
[[ $(grep -c '^training' first) == 5 ]] || { echo "the first run did not train five models: $(cat first)"; exit 1; }
! grep '^training' second || { echo "the second run trained again"; exit 1; }
[[ $(tail -n 1 first) == "$(tail -n 1 second)" ]] || { echo "the best is another in the second run"; exit 1; }

export CAIRN_STORE=$PWD/store
cairn() { "$CAIRN" --json "$@"; }
cairn experiments list >experiments
cairn experiments top widths --limit 3 >top
cairn experiments stats widths >stats
cairn metrics list >metrics
cairn metrics get width-64 loss >loss
cairn metrics get width-64 loss --buckets 10 >buckets
cairn ops list >ops
cairn results info best >best
"$CAIRN" metrics export --format csv >metrics.csv
python3 - <<'PY'
import csv, json
read = lambda name: json.load(open(name))
assert [(e["name"], e["evaluations"]) for e in read("experiments")] == [("widths", 5)], read("experiments")
top, stats = read("top"), read("stats")
assert len(top) == 3 and top[0]["fitness"] >= top[1]["fitness"] >= top[2]["fitness"], top
assert stats["count"] == 5 and stats["best"] == top[0]["fitness"], stats
series = {(m["run"], m["series"]): m for m in read("metrics")}
assert len(series) == 10 and all(m["count"] == 200 for m in series.values()), series
loss = read("loss")
assert [p["step"] for p in loss] == list(range(200)), loss
buckets = read("buckets")
assert len(buckets) == 10 and sum(b["count"] for b in buckets) == 200, buckets
assert min(b["min"] for b in buckets) == min(p["value"] for p in loss)
assert max(b["max"] for b in buckets) == max(p["value"] for p in loss)
ops = read("ops")
assert len(ops) == 5 and all(o["state"] == "done" and o["attempts"] == 1 for o in ops), ops
assert read("best")["serializer"] == "json"
rows = list(csv.DictReader(open("metrics.csv")))
assert len(rows) == 1000, len(rows)
assert [float(r["loss"]) for r in rows if r["run"] == "width-64"] == [p["value"] for p in loss]
PY
"$CAIRN" check --read-data >/dev/null
echo "nothing was computed twice"
