// SPDX-License-Identifier: Apache-2.0
#include "engine/write/stream_digester.h"

#include <condition_variable>
#include <deque>
#include <mutex>

namespace cairn {
namespace {

// Parts waiting at most: bounds the memory they hold.
constexpr std::size_t kQueuedMax = 8;

}  // namespace

struct StreamDigester::State {
  struct Part {
    std::shared_ptr<const void> hold;
    Bytes bytes;
  };
  explicit State(DigestKind kind) : digester(kind) {}

  void drain() {
    std::unique_lock lock(mutex);
    while (!parts.empty()) {
      Part part = std::move(parts.front());
      parts.pop_front();
      lock.unlock();
      digester.update(part.bytes);
      part.hold.reset();
      lock.lock();
      changed.notify_all();
    }
    running = false;
    changed.notify_all();
  }

  Digester digester;  // only touched by the one running drain(), or when none runs
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Part> parts;
  bool running = false;
};

StreamDigester::StreamDigester(WorkerPool& pool, DigestKind kind)
    : state_(std::make_shared<State>(kind)), pool_(pool) {}

StreamDigester::~StreamDigester() {
  std::unique_lock lock(state_->mutex);
  state_->parts.clear();
  state_->changed.wait(lock, [&] { return !state_->running; });
}

void StreamDigester::push(std::shared_ptr<const void> hold, Bytes bytes) {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->parts.size() < kQueuedMax; });
  state_->parts.push_back({std::move(hold), bytes});
  if (state_->running) return;
  state_->running = true;
  pool_.post([state = state_] { state->drain(); });
}

Digest StreamDigester::finish() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return !state_->running; });
  return state_->digester.finish();
}

}  // namespace cairn
