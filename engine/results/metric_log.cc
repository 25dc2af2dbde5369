// SPDX-License-Identifier: Apache-2.0
//
// What the threads do that log: rows into rings, and what becomes of those that have no room.
#include "engine/results/metric_log.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <unordered_map>

#include "engine/base/errors.h"
#include "engine/base/fork_generation.h"
#include "engine/results/metric_blocks.h"
#include "engine/results/metric_producer.h"

namespace cairn {
namespace {

std::atomic<std::uint64_t> logs = 0;

std::int64_t now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Error invalid(std::string message) { return make_error(ErrorCode::invalid_argument, std::move(message)); }

}  // namespace

// A thread's rings, by the log. What the thread has last used is found without looking.
struct MetricLog::ThreadProducers {
  std::vector<std::pair<std::uint64_t, std::shared_ptr<Producer>>> all;
  ~ThreadProducers() {
    for (const auto& [id, producer] : all) producer->has_ended.store(true, std::memory_order_release);
    last_log = 0;
    is_over = true;
  }

  static constinit thread_local std::uint64_t last_log;
  static constinit thread_local Producer* last;
  // Whoever logs while the thread's variables are destroyed has no ring any more.
  static constinit thread_local bool is_over;
  static ThreadProducers& mine() {
    thread_local ThreadProducers producers;
    return producers;
  }
};

constinit thread_local std::uint64_t MetricLog::ThreadProducers::last_log = 0;
constinit thread_local MetricLog::Producer* MetricLog::ThreadProducers::last = nullptr;
constinit thread_local bool MetricLog::ThreadProducers::is_over = false;

MetricLog::MetricLog(EntryStore& store, const MetricLogOptions& options)
    : store_(store),
      options_(options),
      id_(++logs),
      fork_generation_(fork_generation()),
      opened_(std::chrono::steady_clock::now()),
      writer_(store, names_, options_),
      thread_([this] { run_writer(); }) {
  // A child has the thread's variables, with a ring that nobody drains.
  static const bool told = (at_fork([] { ThreadProducers::last_log = 0; }), true);
  static_cast<void>(told);
}

MetricLog::~MetricLog() { static_cast<void>(close()); }

void MetricLog::set_flush(std::size_t rows, std::chrono::milliseconds interval) {
  writer_.set_flush(rows, interval);
  wake();
}

bool MetricLog::is_of_parent() const noexcept { return fork_generation() != fork_generation_; }

Error MetricLog::of_parent() {
  return make_error(ErrorCode::invalid_argument, "metrics: the log is of a process that forked this one");
}

Result<std::uint32_t> MetricLog::run(std::string_view name) {
  if (is_of_parent()) return of_parent();
  if (name.empty() || name.size() > 1024) return invalid("a run's name has 1 to 1024 bytes");
  const std::lock_guard lock(runs_mutex_);
  return names_.run(name);
}

Result<std::uint64_t> MetricLog::remove(std::string_view run) {
  if (is_of_parent()) return of_parent();
  const std::lock_guard lock(runs_mutex_);
  if (names_.has_run(run)) {
    return make_error(ErrorCode::conflict, "run " + std::string(run) + " is being recorded by this process");
  }
  return remove_metric_run(store_, run);
}

Result<MetricSeries> MetricLog::series(std::uint32_t run, std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) return invalid("the name of a series has 1 to 256 bytes");
  if (is_of_parent()) return of_parent();
  if (run >= names_.run_count()) return invalid("no run of this log has the number " + std::to_string(run));
  return MetricSeries(names_.series(run, name));
}

MetricLog::Producer* MetricLog::producer() {
  if (ThreadProducers::last_log == id_) return ThreadProducers::last;
  if (ThreadProducers::is_over || is_of_parent()) return nullptr;
  for (const auto& [id, producer] : ThreadProducers::mine().all) {
    if (id != id_) continue;
    ThreadProducers::last_log = id;
    ThreadProducers::last = producer.get();
    return producer.get();
  }
  return new_producer();
}

MetricLog::Producer* MetricLog::new_producer() {
  // The smallest ring still holds the largest row.
  constexpr std::size_t kCellsMin = 1 + kRowValuesMax * 2 + kRowTextBytesMax / sizeof(MetricCell);
  auto producer = std::make_shared<Producer>(std::max(options_.ring_values * 2, kCellsMin));
  auto& mine = ThreadProducers::mine().all;
  ThreadProducers::last_log = 0;  // it may be of those that go
  std::erase_if(mine, [](const auto& other) { return other.second->is_released.load(std::memory_order_acquire); });
  const std::lock_guard lock(mutex_);
  if (is_closing_) return nullptr;
  producer->number = ++producers_made_;
  producers_.push_back(producer);
  mine.emplace_back(id_, producer);
  ThreadProducers::last_log = id_;
  ThreadProducers::last = producer.get();
  is_awake_ = true;
  wake_.notify_one();
  return producer.get();
}

bool MetricLog::push(MetricSeries series, std::int64_t step, double value) noexcept {
  if (series.id_ == 0) return false;
  Producer* const mine = producer();
  if (mine == nullptr) return false;
  const MetricCell row[2] = {
      {static_cast<std::uint64_t>(step), static_cast<std::uint64_t>(now_ns())},
      {MetricTag{.series = series.id_, .kind = static_cast<std::uint8_t>(MetricKind::real), .left = 1}.bits(),
       std::bit_cast<std::uint64_t>(value)}};
  if (mine->ring.push(row) == MetricRing::Push::done) [[likely]] {
    mine->count_pushed(1);
    if (mine->ring.should_wake()) wake();
    return true;
  }
  bool is_closed = false;
  return push_slowly(*mine, row, 1, is_closed);
}

Status MetricLog::log(std::uint32_t run, std::int64_t step, std::span<const NamedMetric> values,
                      std::optional<std::int64_t> time_ns) {
  if (values.empty() || values.size() > kRowValuesMax) return invalid("a row has 1 to 512 values");
  Producer* const mine = producer();
  if (mine == nullptr) return make_error(ErrorCode::cancelled, "the log of metrics is closed");
  std::vector<MetricCell>& row = mine->row;
  row.clear();
  row.push_back({static_cast<std::uint64_t>(step), static_cast<std::uint64_t>(time_ns ? *time_ns : now_ns())});
  std::size_t text_bytes = 0;
  auto left = static_cast<std::uint16_t>(values.size());
  for (const auto& [name, value] : values) {
    std::uint32_t id = mine->known(run, name);
    if (id == 0) {
      CAIRN_TRY(const MetricSeries made, series(run, name));
      id = made.id_;
      mine->remember(run, name, id);
    }
    const auto kind = static_cast<std::uint8_t>(value.kind());
    const std::uint64_t tag = MetricTag{.series = id, .kind = kind, .left = left--}.bits();
    if (value.kind() == MetricValue::Kind::real) {
      row.push_back({tag, std::bit_cast<std::uint64_t>(value.real())});
    } else if (value.kind() == MetricValue::Kind::integer) {
      row.push_back({tag, static_cast<std::uint64_t>(value.integer())});
    } else {
      const std::string_view text = value.text();
      text_bytes += text.size();
      if (text.size() > 4096 || text_bytes > kRowTextBytesMax)
        return invalid("the text of " + std::string(name) + " is too long");
      row.push_back({tag, text.size()});
      const std::size_t at = row.size();
      row.resize(at + (text.size() + sizeof(MetricCell) - 1) / sizeof(MetricCell));
      if (!text.empty()) std::memcpy(&row[at], text.data(), text.size());
    }
  }
  if (mine->ring.push(row) == MetricRing::Push::done) {
    mine->count_pushed(values.size());
    if (mine->ring.should_wake()) wake();
    return {};
  }
  bool is_closed = false;
  if (push_slowly(*mine, row, values.size(), is_closed)) return {};
  if (is_closed) return make_error(ErrorCode::cancelled, "the log of metrics is closed");
  Error full = make_error(ErrorCode::overloaded, "the ring of metrics is full");
  full.retryable = true;
  return full;
}

Status MetricLog::log(std::uint32_t run, std::int64_t step, const TrainingMetrics& metrics) {
  std::vector<NamedMetric> values;
  values.reserve(16 + metrics.others.size());
  const auto add = [&](std::string_view name, const auto& value) {
    if (value) values.push_back({name, *value});
  };
  add("epoch", metrics.epoch);
  add("train_loss", metrics.train_loss);
  add("val_loss", metrics.val_loss);
  add("grad_norm", metrics.grad_norm);
  add("grad_max", metrics.grad_max);
  add("grad_min", metrics.grad_min);
  add("circuit_execution_time_ms", metrics.circuit_execution_time_ms);
  add("circuits_executed", metrics.circuits_executed);
  add("qubits_used", metrics.qubits_used);
  add("shots_per_circuit", metrics.shots_per_circuit);
  add("backend", metrics.backend);
  add("queue_time_ms", metrics.queue_time_ms);
  add("cost_usd", metrics.cost_usd);
  add("credits_used", metrics.credits_used);
  add("batch_time_ms", metrics.batch_time_ms);
  add("throughput_samples_per_sec", metrics.throughput_samples_per_sec);
  values.insert(values.end(), metrics.others.begin(), metrics.others.end());
  return log(run, step, values, metrics.timestamp_ns);
}

Status MetricLog::log_epoch(std::uint32_t run, std::int64_t epoch, TrainingMetrics metrics) {
  metrics.epoch = epoch;
  return log(run, kEpochStep, metrics);
}

bool MetricLog::push_slowly(Producer& producer, std::span<const MetricCell> row, std::size_t values, bool& is_closed) {
  for (;;) {
    switch (producer.ring.push(row)) {
      case MetricRing::Push::done: producer.count_pushed(values); return true;
      case MetricRing::Push::closed: is_closed = true; return false;
      case MetricRing::Push::full: break;
    }
    if (options_.on_full == OnFull::fail) {
      Producer::add(producer.refused, values);
      return false;
    }
    if (options_.on_full == OnFull::drop || !wait_for_room(producer, row.size())) {
      Producer::add(producer.dropped, values);
      return false;
    }
  }
}

bool MetricLog::wait_for_room(Producer& producer, std::size_t cells) {
  std::unique_lock lock(mutex_);
  is_awake_ = true;
  wake_.notify_one();
  room_.wait(lock, [&] { return is_failing_ || is_closing_ || producer.ring.has_room(cells); });
  return is_closing_ || producer.ring.has_room(cells);
}

void MetricLog::wake() {
  const std::lock_guard lock(mutex_);
  is_awake_ = true;
  wake_.notify_one();
}

MetricLogStats MetricLog::stats() const {
  if (is_of_parent()) return {};
  const std::lock_guard lock(mutex_);
  MetricLogStats stats = counts_;
  for (const auto& producer : producers_) {
    producer->add_to(stats);
    const auto used = static_cast<double>(std::min(producer->ring.used(), producer->ring.capacity()));
    stats.utilization = std::max(stats.utilization, used / static_cast<double>(producer->ring.capacity()));
  }
  stats.rings = producers_.size();
  stats.uptime = std::chrono::steady_clock::now() - opened_;
  return stats;
}

}  // namespace cairn
