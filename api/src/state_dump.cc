// SPDX-License-Identifier: Apache-2.0
//
// Store: one page about what it is doing, for a person.
#include <fmt/format.h>

#include <iterator>

#include "api/src/background_gc.h"
#include "api/src/running_mirrors.h"
#include "api/src/store_impl.h"
#include "engine/write/async_writer.h"

namespace cairn {
namespace {

class Page {
 public:
  template <class... Args>
  void line(std::string_view name, fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), "{:<10} ", name);
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

void show(Page& page, std::string_view name, const QueueState::Lane& lane) {
  page.line(name, "{} values to draw{}; budget {} of {} bytes; {} callers in line for room", lane.values,
            lane.values == 0 ? ""
            : lane.ready     ? ", the first is ready"
                             : ", the first still arrives",
            lane.budget_used, lane.budget_bytes, lane.in_line);
}

void show(Page& page, const QueueState& queue) {
  page.line("writer", "{}", queue.error ? "has failed: " + queue.error->message : queue.closed ? "closing" : "runs");
  show(page, "small", queue.small);
  show(page, "large", queue.bulk);
  page.line("waiting", "{} callers for room, {} for everything before (through put {})", queue.blocked, queue.settling,
            queue.hurry_through);
  if (queue.since_commit) {
    page.line("commit", "the last one {:.3f} s ago", seconds(*queue.since_commit));
  } else {
    page.line("commit", "none yet");
  }
  page.line("pending", "{} puts of {} bytes", queue.pending_puts, queue.pending_bytes);
  for (const QueueState::Pending& put : queue.oldest) {
    page.line("", "put {}: {} values of {} bytes, {}, accepted {:.3f} s ago, {}", put.sequence, put.values, put.bytes,
              put.durability == Durability::lazy ? "lazy" : "grouped", seconds(put.age),
              put.staged ? "staged" : "its memory is in use");
  }
  if (queue.pending_puts > queue.oldest.size()) {
    page.line("", "and {} more", queue.pending_puts - queue.oldest.size());
  }
}

void show(Page& page, const ReclaimStats& reclaim) {
  page.line("reclaim", "{}{} runs gave back {} bytes and copied {}; the longest step took {:.3f} s",
            reclaim.paused ? "paused; " : "", reclaim.runs, reclaim.freed_bytes, reclaim.moved_bytes,
            seconds(reclaim.longest_step));
  for (const std::string& place : reclaim.damaged) page.line("", "left alone: {}", place);
  if (!reclaim.error.empty()) page.line("", "{} runs ended early, the last: {}", reclaim.failures, reclaim.error);
}

std::string_view name_of(MirroringState state) {
  switch (state) {
    case MirroringState::starting: return "starting";
    case MirroringState::current: return "current";
    case MirroringState::waiting: return "waiting for more";
    case MirroringState::pushing: return "pushing";
    case MirroringState::failing: return "failing";
    case MirroringState::paused: return "paused";
    case MirroringState::stopped: break;
  }
  return "stopped";
}

void show(Page& page, const std::string& name, const MirroringStats& stats) {
  page.line("mirror", "{}: {}; {} records of {} bytes behind, {:.3f} s; sent {} bytes", name, name_of(stats.state),
            stats.lag_records, stats.lag_bytes, seconds(stats.lag), stats.sent.sent_bytes);
  if (!stats.error.empty()) {
    page.line("", "{} pushes failed, the last: {}; the next in {:.3f} s", stats.failures, stats.error,
              seconds(stats.retry_in));
  }
}

}  // namespace

std::string StoreImpl::state_dump() const {
  Page page;
  page.line("store", "{}", layout_.folder);
  page.line("process", "{}{}", pid_, forked() ? ", which forked this one: this handle is dead" : "");
  if (forked()) return std::move(page).text();  // whoever held a lock is not here
  const std::unique_lock lock(writer_mutex_);
  page.line("open", "{}", closed_ ? "no, closed" : lock_ ? "for reading and writing" : "for reading");
  const Position applied = index_->applied();
  page.line("index", "has the log up to byte {} of segment {}", applied.offset, applied.segment);
  for (const auto& [name, running] : running_mirrors_->all()) show(page, name, running->stats());
  if (!log_) return std::move(page).text();
  page.line("log", "{} bytes appended since it was opened", log_->appended_bytes());
  const std::uint64_t writing = writing_.present();
  page.line("turn", "{}", writing == 0 ? "free" : fmt::format("held; {} wait behind", writing - 1));
  if (background_gc_) show(page, background_gc_->stats());
  if (writer_) {
    show(page, writer_->queue().state());
  } else {
    page.line("writer", "not begun: nothing was put");
  }
  return std::move(page).text();
}

std::string Store::state_dump() const { return impl_->state_dump(); }

}  // namespace cairn
