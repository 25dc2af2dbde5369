// SPDX-License-Identifier: Apache-2.0
#include "tests/support/put_scenario.h"

#include <algorithm>
#include <deque>

namespace cairn::testing {
namespace {

constexpr std::chrono::seconds kPatience(60);  // for a milestone
constexpr std::size_t kInFlight = 3;           // puts that a thread has not waited for

StoreOptions options() { return {.threads = 2, .writer = {.budget_bytes = 8 << 20}}; }

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Watchdog::Watchdog(std::string what, std::chrono::seconds patience) {
  thread_ = std::thread([this, what = std::move(what), patience] {
    std::unique_lock lock(mutex_);
    if (over_.wait_for(lock, patience, [&] { return done_; })) return;
    std::fprintf(stderr, "hangs: %s\n", what.c_str());
    std::abort();
  });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  over_.notify_all();
  thread_.join();
}

// What one run() has seen; its threads share it.
struct PutScenario::Run {
  void failed(const Error& error) {
    const std::lock_guard lock(mutex);
    stop = true;
    if (outcome.status.ok()) outcome.status = error;
  }
  void broken(const std::string& what) {
    const std::lock_guard lock(mutex);
    stop = true;
    if (outcome.broken.empty()) outcome.broken = what;
  }
  // Waits, but not for ever. Nothing when it broke its promise.
  std::optional<Status> wait(const Milestone& milestone, const std::string& what) {
    auto status = milestone.wait_for(kPatience);
    if (!status) broken(what + " never comes");
    return status;
  }

  std::mutex mutex;
  std::atomic<bool> stop = false;
  std::atomic<std::size_t> handed_over = 0, released = 0;  // of what was moved
  Outcome outcome;
};

PutScenario::PutScenario() {
  for (std::size_t t = 0; t < kThreads; ++t) {
    for (std::size_t k = 0; k < kPutsEach; ++k) {
      Group group;
      const auto add = [&](std::size_t bytes, std::uint64_t seed) {
        const std::size_t at = group.values.size();
        Value value;
        value.name = std::to_string(t) + "." + std::to_string(k) + "." + std::to_string(at);
        value.content = k % 2 == 0 ? bf16_weights(bytes / 2, seed) : random_bytes(bytes, seed);
        value.tensor = (k + at) % 3 == 0;
        value.handover = static_cast<Handover>((t + k + at) % 3);
        group.values.push_back(std::move(value));
      };
      const std::uint64_t own = 1000 * (t + 1) + 10 * k;
      switch (k % 4) {
        case 0: add(300 + 38 * t, own); break;
        // Two threads put the same large content at about the same time.
        case 1: add(150'000 + 30'000 * (k / 4), 100 * (t / 2 + 1) + k); break;
        case 2:
          add(500, own);
          add(90'000, own + 1);
          add(0, 0);
          break;
        case 3:
          add(100, own);
          add(4096, 7);
          add(5000, own + 2);
          break;
      }
      std::size_t bytes = 0;
      for (const Value& value : group.values) bytes += value.content.size();
      group.small = bytes <= WriterOptions().small_bytes;
      groups_.push_back(std::move(group));
    }
  }
}

std::size_t PutScenario::acknowledged() const {
  return static_cast<std::size_t>(std::count(acknowledged_.begin(), acknowledged_.end(), true));
}

void PutScenario::forget_acknowledged() { std::fill(acknowledged_.begin(), acknowledged_.end(), false); }

// One thread's share.
void PutScenario::put_all(Store& store, std::size_t thread, Run& run) {
  struct Waiting {
    std::size_t which;
    Ticket ticket;
    std::vector<std::shared_ptr<std::string>> borrowed;
  };
  std::deque<Waiting> waiting;
  // Memory is overwritten as soon as it may be: whoever still reads it stores rubbish.
  const auto spoil = [](std::string& memory) { std::fill(memory.begin(), memory.end(), '\xee'); };
  const auto finish_oldest = [&] {
    Waiting& oldest = waiting.front();
    const std::string what = "put " + groups_[oldest.which].values.front().name;
    if (const auto staged = run.wait(oldest.ticket.staged(), what + ": staged")) {
      for (const auto& memory : oldest.borrowed) spoil(*memory);
    }
    const auto synced = run.wait(oldest.ticket.synced(), what + ": synced");
    const auto committed = run.wait(oldest.ticket.committed(), what + ": committed");
    if (synced && !synced->ok()) run.failed(synced->error());
    if (committed && synced && committed->ok() != synced->ok()) run.broken(what + ": synced and not committed");
    if (committed && committed->ok() && !oldest.ticket.id().ok()) run.broken(what + ": committed without an id");
    waiting.pop_front();
  };
  for (std::size_t k = 0; k < kPutsEach && !run.stop; ++k) {
    const std::size_t which = thread * kPutsEach + k;
    std::vector<Put> puts;
    std::vector<std::shared_ptr<std::string>> copied, borrowed;
    for (const Value& value : groups_[which].values) {
      const auto memory = std::make_shared<std::string>(value.content);
      Put put{.bytes = std::as_bytes(std::span(*memory)), .handover = value.handover, .name = value.name};
      if (value.tensor) put.tensor = TensorLayout{.dtype = DType::u8, .shape = {value.content.size()}};
      switch (value.handover) {
        case Handover::copy: copied.push_back(memory); break;
        case Handover::borrow: borrowed.push_back(memory); break;
        case Handover::move:
          ++run.handed_over;
          put.release = [&run, memory, spoil] {
            spoil(*memory);
            ++run.released;
          };
      }
      puts.push_back(std::move(put));
    }
    waiting.push_back({which, store.put_many_async(std::move(puts)), borrowed});
    // Noted at the earliest moment, on the writer's thread: a process may die in the next one.
    waiting.back().ticket.synced().on_ready([acknowledged = &acknowledged_[which]](const Status& synced) {
      if (synced.ok()) *acknowledged = true;
    });
    for (const auto& memory : copied) spoil(*memory);
    if (waiting.size() == kInFlight) finish_oldest();
  }
  while (!waiting.empty()) finish_oldest();
}

PutScenario::Outcome PutScenario::run(FileSystem& fs, const std::string& path, bool reads_go_on) {
  if (Status created = StoreImpl::create(fs, path, kSmallStore);
      !created.ok() && created.error().code != ErrorCode::already_exists) {
    return {.status = created, .broken = {}};
  }
  auto impl = StoreImpl::open(fs, path, options(), {});
  if (!impl.ok()) return {.status = std::move(impl).error(), .broken = {}};
  Run run;
  {
    Store store = StoreImpl::handle(std::move(impl).value());
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) threads.emplace_back([&, t] { put_all(store, t, run); });
    for (std::thread& thread : threads) thread.join();
    if (!run.outcome.status.ok()) {
      // Either one value had bad luck and all is well, or nothing is taken any more.
      const std::string more = "put after a failure";
      const Ticket ticket = store.put_async({.bytes = std::as_bytes(std::span(more))});
      const auto status = run.wait(ticket.committed(), "a put after a failure");
      if (status && !status->ok() && status->error().code != ErrorCode::poisoned &&
          status->error().code != ErrorCode::no_space) {
        run.broken("a put after a failure is told: " + status->error().message);
      }
    }
    if (reads_go_on) {
      for (std::size_t i = 0; i < groups_.size(); ++i) {
        if (!acknowledged_[i]) continue;
        const auto page = store.list();
        if (!page.ok()) run.broken("listing does not go on: " + page.error().message);
        if (page.ok() && !store.get(page->objects.front().id).ok()) run.broken("reading does not go on");
        break;
      }
    }
    const Status closed = store.close();
    if (!closed.ok()) run.failed(closed.error());
  }
  if (run.released != run.handed_over) {
    run.broken(std::to_string(run.handed_over) + " values were moved, " + std::to_string(run.released) + " released");
  }
  return std::move(run.outcome);
}

std::string PutScenario::wrong_with(Store& store, bool ordered) {
  const auto check = store.check({.read_data = true});
  if (!check.ok()) return "check: " + check.error().message;
  for (const Damage& damage : check->damaged) return "check found: " + damage.what;
  const auto page = store.list();
  if (!page.ok()) return "list: " + page.error().message;
  std::map<std::string, std::string> contents;  // by name
  for (const Object& object : page->objects) {
    const auto content = store.get(object.id);
    if (!content.ok()) return object.id + ": " + content.error().message;
    for (const ObjectName& name : object.names) contents[name.name] = text_of(*content);
  }
  for (std::size_t t = 0; t < kThreads; ++t) {
    bool missing[2] = {false, false};  // by lane
    for (std::size_t k = 0; k < kPutsEach; ++k) {
      const std::size_t which = t * kPutsEach + k;
      const Group& group = groups_[which];
      std::size_t found = 0;
      for (const Value& value : group.values) {
        const auto content = contents.find(value.name);
        if (content == contents.end()) continue;
        if (content->second != value.content) return value.name + ": other content than was put";
        ++found;
      }
      const std::string& name = group.values.front().name;
      if (found == 0 && acknowledged_[which]) return name + " was acknowledged, and is lost";
      if (found > 0 && found < group.values.size()) return name + " is torn";
      bool& gap = missing[group.small ? 1 : 0];
      if (found > 0 && gap && ordered) return name + " is there, though an earlier one of its lane is not";
      gap = gap || found == 0;
    }
  }
  return {};
}

std::string PutScenario::what_is_wrong(FileSystem& fs, const std::string& path, bool ordered) {
  auto impl = StoreImpl::open(fs, path, options(), {});
  if (!impl.ok()) {
    if (acknowledged() == 0 && impl.error().code == ErrorCode::no_store) return {};
    return "open: " + impl.error().message;
  }
  for (const std::string& place : (*impl)->info().recovery.damage) return "recovery found damage: " + place;
  Store store = StoreImpl::handle(std::move(impl).value());
  if (std::string wrong = wrong_with(store, ordered); !wrong.empty()) return wrong;
  const std::string more = "one more";
  const auto id = store.put({.bytes = std::as_bytes(std::span(more)), .name = more});
  if (!id.ok()) return "takes no more: " + id.error().message;
  if (const auto back = store.get(*id); !back.ok() || text_of(*back) != more) return "gives other than was put";
  const Status closed = store.close();
  return closed.ok() ? std::string() : "close: " + closed.error().message;
}

}  // namespace cairn::testing
