// SPDX-License-Identifier: Apache-2.0
//
// Store: what the writer counts, in the text exposition format of Prometheus.
#include <fmt/format.h>

#include "api/src/background_gc.h"
#include "api/src/read_through.h"
#include "api/src/running_mirrors.h"
#include "api/src/store_impl.h"

namespace cairn {
namespace {

// One family after the other.
class Exposition {
 public:
  // Of each mirror.
  using Labelled = std::vector<std::pair<std::string, double>>;
  void by_mirror(std::string_view name, std::string_view help, std::string_view type, const Labelled& values) {
    if (values.empty()) return;
    head(name, help, type);
    for (const auto& [mirror, value] : values) text_ += fmt::format("{}{{mirror=\"{}\"}} {}\n", name, mirror, value);
  }
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    head(name, help, "counter");
    text_ += fmt::format("{} {}\n", name, value);
  }
  void gauge(std::string_view name, std::string_view help, double value) {
    head(name, help, "gauge");
    text_ += fmt::format("{} {}\n", name, value);
  }
  void histogram(std::string_view name, std::string_view help, const Histogram& times) {
    head(name, help, "histogram");
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i + 1 < Histogram::kBuckets; ++i) {
      so_far += times.counts[i];
      const std::uint64_t us = Histogram::bound_us(i);
      text_ += fmt::format("{}_bucket{{le=\"{}.{:06}\"}} {}\n", name, us / 1'000'000, us % 1'000'000, so_far);
    }
    so_far += times.counts.back();
    text_ += fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n", name, so_far);
    text_ += fmt::format("{}_sum {:.9f}\n", name, static_cast<double>(times.total_ns) / 1e9);
    text_ += fmt::format("{}_count {}\n", name, so_far);
  }
  std::string text() && { return std::move(text_); }

 private:
  void head(std::string_view name, std::string_view help, std::string_view type) {
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  std::string text_;
};

// Of the mirrors that are kept up to date.
void add_mirrors(Exposition& out, StoreImpl& store) {
  Exposition::Labelled bytes, records, seconds, failing, sent, failures;
  for (const auto& [name, running] : store.running_mirrors().all()) {
    const MirroringStats stats = running->stats();
    bytes.emplace_back(name, static_cast<double>(stats.lag_bytes));
    records.emplace_back(name, static_cast<double>(stats.lag_records));
    seconds.emplace_back(name, std::chrono::duration<double>(stats.lag).count());
    failing.emplace_back(name, stats.error.empty() ? 0 : 1);
    sent.emplace_back(name, static_cast<double>(stats.sent.sent_bytes));
    failures.emplace_back(name, static_cast<double>(stats.failures));
  }
  out.by_mirror("cairn_mirror_lag_bytes", "Of the log, committed and not mirrored.", "gauge", bytes);
  out.by_mirror("cairn_mirror_lag_records", "Of the log, committed and not mirrored.", "gauge", records);
  out.by_mirror("cairn_mirror_lag_seconds", "How long the oldest of that has waited.", "gauge", seconds);
  out.by_mirror("cairn_mirror_failing", "Whether the last push failed.", "gauge", failing);
  out.by_mirror("cairn_mirror_sent_bytes_total", "Sent while the store is open.", "counter", sent);
  out.by_mirror("cairn_mirror_failures_total", "Pushes that failed.", "counter", failures);
}

}  // namespace

std::string Store::metrics_text() const {
  const WriterStats stats = impl_->writer_stats();
  Exposition out;
  out.counter("cairn_puts_accepted_total", "Puts that were accepted.", stats.accepted);
  out.counter("cairn_puts_staged_total", "Puts whose memory was given back.", stats.staged);
  out.counter("cairn_puts_synced_total", "Puts that survive power loss.", stats.synced);
  out.counter("cairn_puts_committed_total", "Puts that are in the index.", stats.committed);
  out.counter("cairn_puts_failed_total", "Puts that failed after they were accepted.", stats.failed);
  out.counter("cairn_puts_refused_total", "Puts that found the budget full and failed.", stats.refused);
  out.counter("cairn_puts_dropped_total", "Puts that found the budget full and were dropped.", stats.dropped);
  out.gauge("cairn_puts_pending", "Puts that are accepted and not committed.", static_cast<double>(stats.pending_puts));
  out.gauge("cairn_pending_bytes", "Bytes that are accepted and not committed.",
            static_cast<double>(stats.pending_bytes));
  out.counter("cairn_accepted_bytes_total", "Bytes of the puts that were accepted.", stats.accepted_bytes);
  out.counter("cairn_committed_bytes_total", "Bytes of the puts that are in the index.", stats.committed_bytes);
  out.counter("cairn_new_bytes_total", "Bytes of blocks that were not known, before compression.", stats.new_bytes);
  out.counter("cairn_log_bytes_total", "Bytes appended to the log.", stats.log_bytes);
  out.counter("cairn_put_log_bytes_total",
              "Bytes written to the log by puts, zeros that small ones overwrite included.", stats.put_log_bytes);
  out.counter("cairn_index_bytes_total", "Bytes written to the files of the index.", stats.index_bytes);
  out.counter("cairn_commits_total", "Commits, each of which synced the log.", stats.commits);
  out.gauge("cairn_write_amplification_ratio", "Bytes written to log and index by each byte that was put.",
            stats.write_amplification());
  out.histogram("cairn_put_append_seconds", "From the acceptance of a put until it is in the log.", stats.append_time);
  out.histogram("cairn_put_sync_seconds", "From the acceptance of a put until it survives power loss.",
                stats.sync_time);
  out.histogram("cairn_put_stall_seconds", "That callers waited for room in the budget, where they had to.",
                stats.stall_time);
  if (const DiskRoom* const room = impl_->room()) {
    out.gauge("cairn_disk_bytes", "What the store takes on the disk, as of when it last asked for more or gave back.",
              static_cast<double>(room->use()));
    out.gauge("cairn_disk_budget_bytes", "What it may take; 0: no limit.", static_cast<double>(room->budget()));
    out.gauge("cairn_reserve_bytes", "Of what it takes, kept for giving space back.",
              static_cast<double>(room->reserve()));
  }
  if (const BackgroundGc* const background = impl_->background_gc()) {
    const ReclaimStats reclaim = background->stats();
    out.counter("cairn_reclaimed_bytes_total", "Bytes of the disk given back while the store is open.",
                reclaim.freed_bytes);
    out.counter("cairn_reclaim_moved_bytes_total", "Bytes of live content copied for that.", reclaim.moved_bytes);
    out.counter("cairn_reclaim_failures_total", "Runs of reclaiming that ended early.", reclaim.failures);
    out.gauge("cairn_reclaim_damaged_segments", "Files of the log that the latest run left alone, because of damage.",
              static_cast<double>(reclaim.damaged.size()));
  }
  add_mirrors(out, *impl_);
  if (const ReadThrough* const mirrors = impl_->read_through(); mirrors != nullptr && mirrors->results() != nullptr) {
    const ResultReadThroughStats results = mirrors->results()->stats();
    out.counter("cairn_results_asked_total", "Results that were not here and were looked for in a mirror.",
                results.asked);
    out.counter("cairn_results_brought_total", "Of them, those that it had.", results.brought);
    out.counter("cairn_results_ask_failures_total", "Of them, those that could not be looked for.", results.failures);
    out.gauge("cairn_results_ask_failing", "Whether the last of them could not.", results.error.empty() ? 0 : 1);
  }
  return std::move(out).text();
}

}  // namespace cairn
