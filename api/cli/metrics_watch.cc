// SPDX-License-Identifier: Apache-2.0
//
// cairn metrics watch: the rows of a run as another process logs them.
//
// The store is open for reading only, beside whoever writes. At each look it follows the log as far as that is synced,
// so that what is printed is durable, and reads no block before the last that it has seen.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "api/cli/answers.h"
#include "api/cli/json_members.h"
#include "api/cli/metrics_actions.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kIdleSecondsMax = 9'000'000'000;

using Clock = std::chrono::steady_clock;

Result<std::chrono::milliseconds> interval_of(const std::string& text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || !(seconds >= 0.05 && seconds <= 3600))
    return wrong_usage("--interval is from 0.05 to 3600 seconds");
  return std::chrono::milliseconds(std::llround(seconds * 1000));
}

Json json_of(const MetricValue& value) {
  switch (value.kind()) {
    case MetricValue::Kind::integer: return value.integer();
    case MetricValue::Kind::text: return value.text();
    case MetricValue::Kind::real: break;
  }
  return exact_number(value.real());
}

std::string text_of(Session& session, const MetricValue& value) {
  switch (value.kind()) {
    case MetricValue::Kind::integer: return std::to_string(value.integer());
    case MetricValue::Kind::text: return session.out().name(value.text());
    case MetricValue::Kind::real: break;
  }
  return fmt::format("{:.6g}", value.real());
}

class RowPrinter {
 public:
  RowPrinter(Session& session, const WatchOptions& options) : session_(session), options_(options) {}

  void print(const MetricRow& row) {
    Json values = Json::object();
    std::string line = fmt::format("{} step {}", local_time_text(row.time_ns), row.step);
    bool is_wanted = false;
    for (const NamedMetric& one : row.values) {
      if (!options_.series.empty() && std::ranges::find(options_.series, one.name) == options_.series.end()) continue;
      is_wanted = true;
      if (session_.out().json()) {
        values[std::string(one.name)] = json_of(one.value);
      } else {
        line += "  " + session_.out().name(one.name) + "=" + text_of(session_, one.value);
      }
    }
    if (!is_wanted) return;
    ++printed_;
    if (session_.out().json()) {
      const Json fields = {{"message_type", "row"}, {"schema_version", kSchemaVersion}, {"run", options_.run},
                           {"step", row.step},      {"time", utc_text(row.time_ns)},    {"values", values}};
      session_.out().text(json_text(fields) + "\n");
    } else {
      session_.out().text(line + "\n");
    }
  }
  std::uint64_t printed() const noexcept { return printed_; }

 private:
  Session& session_;
  const WatchOptions& options_;
  std::uint64_t printed_ = 0;
};

}  // namespace

Result<int> watch_metrics(Session& session, const WatchOptions& options) {
  CAIRN_TRY(const std::chrono::milliseconds interval, interval_of(options.interval));
  if (options.idle.value_or(0) > kIdleSecondsMax) return wrong_usage("--idle is from 0 to 9000000000 seconds");
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(Metrics metrics, store.metrics());
  RowPrinter printer(session, options);
  const auto visit = [&](const MetricRow& row) -> Status {
    printer.print(row);
    return session.check_stop();
  };
  MetricCursor cursor;
  bool is_told = session.out().quiet();
  for (Clock::time_point last_new = Clock::now();;) {
    const std::uint64_t before = cursor.passed();
    const Status rows = metrics.rows(options.run, cursor, visit);
    // A run that has not begun may still do so.
    const bool has_begun = rows.ok() || rows.error().code != ErrorCode::not_found;
    if (!rows.ok() && has_begun) return rows.error();
    if (!has_begun && !is_told) {
      print_note("no metrics of a run '" + options.run + "' yet: waiting for them");
      is_told = true;
    }
    if (has_begun && printer.printed() == 0 && !is_told) {
      print_note("run '" + options.run + "' has none of this so far: waiting for it");
      is_told = true;
    }
    if (cursor.passed() != before) last_new = Clock::now();
    // Whoever reads wants them now; and nobody is left to read when this fails.
    CAIRN_CHECK(session.out().finish());
    if (options.idle && Clock::now() - last_new >= std::chrono::seconds(*options.idle)) {
      if (!has_begun) return rows.error();
      break;
    }
    CAIRN_CHECK(session.wait(interval));
  }
  if (session.out().json())
    session.out().line("summary", {{"rows", printer.printed()}, {"seconds", session.seconds()}});
  return kExitDone;
}

}  // namespace cairn::cli
