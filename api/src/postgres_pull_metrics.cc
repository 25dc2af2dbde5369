// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_pull_metrics.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "api/src/postgres_metric_rows.h"
#include "engine/base/errors.h"
#include "engine/format/manifest.h"
#include "engine/results/metric_blocks.h"
#include "replication/postgres/read.h"

namespace cairn {
namespace {

using postgres::CellReader;
using postgres::CellWriter;
using postgres::MetricRow;

constexpr std::int64_t kRunsAtOnce = 1000;
// Of one write.
constexpr std::size_t kBatchBytesMax = std::size_t{4} << 20;
// Of a run that is here already, which is committed at once. With a block more it is less than an entry store takes.
constexpr std::size_t kContinuedBytesMax = std::size_t{24} << 20;
// Of one block's points in memory, as a push has them at most.
constexpr std::size_t kBlockBytesMax = std::size_t{256} << 20;

std::size_t bytes_of(const MetricRow& row) {
  std::size_t bytes = 3 * sizeof(std::int64_t) * row.steps.size();
  for (const std::string& text : row.texts) bytes += text.size();
  return bytes;
}

// What the store has of a run.
struct Here {
  struct Block {
    std::uint64_t number = 0, version = 0;
  };
  std::vector<Block> blocks;  // by number
  PointCounts counts;
};

class RunPull {
 public:
  RunPull(postgres::Connection& connection, const postgres::Uuid& from, EntryStore& entries, DigestKind digest,
          const std::string& run)
      : connection_(connection), from_(from), entries_(entries), digest_(digest), run_(run) {
    filter_.where = "AND run = $2";
    filter_.values.text(run);
    filter_.order = "block, part";
    filter_.within = true;
  }

  struct Outcome {
    std::uint64_t rows = 0, blocks = 0;  // looked at, and written
    bool differs = false;                // it is something else here
    std::string left_out;                // why it ends early; empty: it does not
  };
  Result<Outcome> pull(const std::function<Status()>& progress) {
    CAIRN_CHECK(look_here());
    // All that is read of the database is as of one moment, so that what is written is what was compared.
    const auto work = [&]() -> Status {
      CAIRN_TRY(const bool has_more, compare());
      return has_more ? write(progress) : Status();
    };
    CAIRN_CHECK(postgres::in_snapshot(connection_, work));
    return std::move(outcome_);
  }

 private:
  Status for_each_block_here(const std::function<Status(std::uint64_t, const Entry&)>& visit) {
    return entries_.scan(metric_run_prefix(run_), EntryStore::Order::ascending, {},
                         [&](std::string_view key, const Entry& entry) -> Result<bool> {
                           const std::string prefix = metric_run_prefix(run_);
                           std::uint64_t number = 0;
                           for (const char byte : key.substr(prefix.size())) {
                             number = number << 8 | static_cast<unsigned char>(byte);
                           }
                           if (key.size() == prefix.size() + sizeof number) CAIRN_CHECK(visit(number, entry));
                           return true;
                         });
  }
  Status look_here() {
    return for_each_block_here([&](std::uint64_t number, const Entry& entry) -> Status {
      CAIRN_TRY(const MetricBlockHead head, metric_block_head(entry));
      here_.blocks.push_back({number, entry.version});
      for (const MetricColumnHead& column : head.columns) here_.counts[{column.name, column.kind}] += column.count;
      return {};
    });
  }

  // Rows that a store writes, in the order of their blocks.
  Status for_each_row(const std::function<Status(MetricRow)>& visit) {
    const auto look = [&](CellReader& cells) -> Status {
      if (!outcome_.left_out.empty()) return {};
      cells.skip();  // store
      MetricRow row = MetricRow::read(cells);
      if (Status whole = cells.check(); !whole.ok()) {
        outcome_.left_out = whole.error().message;
      } else if (row.run != run_ ||
                 row.key != postgres::MetricKey{postgres::entry_id(metric_block_key(run_, row.block))}) {
        outcome_.left_out = "block " + std::to_string(row.block) + " has the id of another";
      } else {
        return visit(std::move(row));
      }
      return {};
    };
    return postgres::read_cells(connection_, postgres::kMetrics, from_, filter_, look);
  }

  // Whether the database has more of the run, which begins with what is here.
  Result<bool> compare() {
    if (here_.blocks.empty()) return true;
    PointCounts there;
    CAIRN_CHECK(for_each_row([&](const MetricRow& row) -> Status {
      there[{row.series, metric_kind(row.type)}] += row.steps.size();
      return {};
    }));
    if (!outcome_.left_out.empty()) return false;
    PointCounts both;
    bool more_here = false, more_there = false;
    for (const auto& [id, count] : there) {
      const auto known = here_.counts.find(id);
      const std::uint64_t count_here = known == here_.counts.end() ? 0 : known->second;
      both[id] = std::min(count, count_here);
      more_there = more_there || count > count_here;
      more_here = more_here || count < count_here;
    }
    for (const auto& [id, count] : here_.counts) more_here = more_here || (count > 0 && !there.contains(id));
    RunBeginning begins_here(digest_, both), begins_there(digest_, both);
    CAIRN_CHECK(for_each_block_here([&](std::uint64_t, const Entry& entry) -> Status {
      CAIRN_TRY(const std::string block, metric_block_bytes(entries_, entry));
      CAIRN_TRY(const MetricRows rows, decode_metric_block(as_bytes(block)));
      for (const MetricColumn& column : rows.columns()) {
        if (both.contains({column.name, column.kind})) begins_here.add(rows, column);
      }
      return {};
    }));
    CAIRN_CHECK(for_each_row([&](const MetricRow& row) -> Status {
      if (both.contains({row.series, metric_kind(row.type)})) begins_there.add(row);
      return {};
    }));
    outcome_.differs = !(begins_here == begins_there) || (more_here && more_there);
    return more_there && !outcome_.differs;
  }

  // Block by block from the first: each takes the place of those that are here from its number up to the next one's, of
  // which it was joined. What is here is a beginning of the run at any time: of a run that is here already, all is
  // committed at once.
  Status write(const std::function<Status()>& progress) {
    std::vector<MetricRow> parts;
    std::uint64_t points = 0, bytes = 0;
    const auto finish = [&](std::uint64_t next) -> Status {
      if (!parts.empty()) CAIRN_CHECK(add_block(parts, next));
      parts.clear();
      points = bytes = 0;
      if (bytes_ < kBatchBytesMax) return {};
      if (here_.blocks.empty()) return commit(progress);
      if (bytes_ < kContinuedBytesMax) return {};
      outcome_.left_out = "there is more of it than is brought to what is here: remove the run here to have all of it";
      return {};
    };
    const auto take = [&](MetricRow row) -> Status {
      ++outcome_.rows;
      if (outcome_.rows == 1 && row.block != 0) {
        outcome_.left_out = "its beginning is not in the database";
        return {};
      }
      if (!parts.empty() && parts.front().block != row.block) CAIRN_CHECK(finish(row.block));
      points += row.steps.size();
      bytes += bytes_of(row);
      if (points > kMetricBlockPointsMax || bytes > kBlockBytesMax) {
        parts.clear();
        outcome_.left_out = "block " + std::to_string(row.block) + " has more than a block";
        return {};
      }
      parts.push_back(std::move(row));
      return {};
    };
    CAIRN_CHECK(for_each_row(take));
    if (outcome_.left_out.empty()) CAIRN_CHECK(finish(std::numeric_limits<std::uint64_t>::max()));
    // What takes the place of points that are here has all of them, or it does not come.
    if (!outcome_.left_out.empty() && !here_.blocks.empty()) {
      changes_.clear();
      pending_blocks_ = 0;
    }
    return commit(progress);
  }

  Status add_block(const std::vector<MetricRow>& parts, std::uint64_t next) {
    const std::uint64_t number = parts.front().block;
    const auto encoded = encode_metric_block(merged_columns(parts));
    if (!encoded.ok()) {
      outcome_.left_out = "block " + std::to_string(number) + ": " + encoded.error().message;
      return {};
    }
    const auto first = std::ranges::lower_bound(here_.blocks, number, {}, &Here::Block::number);
    const auto end = std::ranges::lower_bound(here_.blocks, next, {}, &Here::Block::number);
    std::uint64_t version = 0;
    bool joins = false;
    for (auto at = first; at < end; ++at) {
      if (at->number == number) {
        version = at->version;
        continue;
      }
      joins = true;
      changes_.push_back({.key = metric_block_key(run_, at->number), .removed = true, .if_version = at->version});
    }
    if (version != 0 && !joins) {
      CAIRN_TRY(const bool same, is_here(number, *encoded));
      if (same) return {};
    }
    changes_.push_back(metric_block_change(entries_, run_, number, *encoded, version));
    if (changes_.back().value.size() > kEntryValueBytesMax) {
      changes_.clear();
      outcome_.left_out = "block " + std::to_string(number) + " is larger than a block";
      return {};
    }
    bytes_ += encoded->size() + changes_.back().value.size() + 128 * changes_.size();
    ++pending_blocks_;
    return {};
  }

  Result<bool> is_here(std::uint64_t number, Bytes encoded) {
    CAIRN_TRY(const auto entry, entries_.find(metric_block_key(run_, number)));
    if (!entry) return false;
    CAIRN_TRY(const std::string block, metric_block_bytes(entries_, *entry));
    return std::ranges::equal(as_bytes(block), encoded);
  }

  Status commit(const std::function<Status()>& progress) {
    bytes_ = 0;
    if (changes_.empty()) return {};
    CAIRN_TRY([[maybe_unused]] const auto written, entries_.commit(std::exchange(changes_, {})));
    outcome_.blocks += std::exchange(pending_blocks_, 0);
    return progress();
  }

  postgres::Connection& connection_;
  const postgres::Uuid& from_;
  EntryStore& entries_;
  const DigestKind digest_;
  const std::string& run_;
  postgres::RowFilter filter_;
  Here here_;
  std::vector<EntryChange> changes_;  // to be committed together
  std::size_t bytes_ = 0;
  std::uint64_t pending_blocks_ = 0;
  Outcome outcome_;
};

}  // namespace

Status MetricPull::pull_all() {
  CAIRN_CHECK(postgres::read_rows<postgres::LeftOutRow>(connection_, from_, [&](const postgres::LeftOutRow& row) {
    left_out_.push_back(row.statement_key);
    return Status();
  }));
  std::string last;  // as the database has it
  while (true) {
    CellWriter values;
    values.uuid(from_).bytea(std::as_bytes(std::span(last))).int8(kRunsAtOnce);
    CAIRN_TRY(const postgres::Rows rows,
              connection_.query("SELECT DISTINCT run FROM cairn.metrics WHERE store = $1 AND "
                                "run > convert_from($2, 'UTF8') ORDER BY run LIMIT $3",
                                values));
    std::vector<std::string> runs;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      last = rows.row(i).raw();
      CellReader row = rows.row(i);
      std::string run = row.text();
      if (!row.check().ok()) {
        report_.left_out.add("run '" + printable(last.substr(0, 64)) + "': no store writes such a name");
        continue;
      }
      runs.push_back(std::move(run));
    }
    for (const std::string& run : runs) CAIRN_CHECK(pull_run(run));
    if (rows.size() < static_cast<std::size_t>(kRunsAtOnce)) return {};
  }
}

Status MetricPull::pull_run(const std::string& run) {
  const std::string name = "run '" + printable(run.substr(0, 64)) + "'";
  if (metric_block_key(run, 0).size() > kEntryKeyBytesMax || run.size() > kMetricNameBytesMax) {
    report_.left_out.add(name + ": its name is too long");
    return {};
  }
  const std::string prefix = metric_run_prefix(run);
  if (std::ranges::any_of(left_out_, [&](const std::string& key) { return key.starts_with(prefix); })) {
    report_.left_out.add(name + ": the database lacks a part of it");
    return {};
  }
  auto outcome = RunPull(connection_, from_, entries_, digest_, run).pull(progress_);
  if (!outcome.ok()) {
    // Somebody logs the run here, or a block is damaged here.
    const bool is_written = outcome.error().code == ErrorCode::conflict || outcome.error().code == ErrorCode::not_found;
    if (is_written) report_.conflicts.add(name + " is written here");
    if (outcome.error().code == ErrorCode::corruption) report_.left_out.add(name + ": " + outcome.error().message);
    return is_written || outcome.error().code == ErrorCode::corruption ? Status() : Status(std::move(outcome).error());
  }
  report_.rows += outcome->rows;
  report_.metric_blocks += outcome->blocks;
  if (outcome->differs) report_.conflicts.add(name + " is something else here");
  if (!outcome->left_out.empty()) report_.left_out.add(name + ": " + outcome->left_out);
  return {};
}

}  // namespace cairn
#endif
