// SPDX-License-Identifier: Apache-2.0
//
// A pool of threads, and the one way the engine uses it: work in parallel, results in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "cairn/result.h"

namespace cairn {

// Threads that run a Boost.Asio context, which is kept out of this header. They have `name`,
// of at most 15 bytes. The destructor waits for posted tasks. Any thread may post.
class WorkerPool {
 public:
  // `name` is a literal; `nice` is added to the threads' niceness. Where the system gives
  // fewer threads than asked for, those there are do the work; without any, threads() is 0
  // and the pool good for nothing.
  explicit WorkerPool(unsigned threads, const char* name = "cairn-work", int nice = 0);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void post(std::function<void()> task);
  unsigned threads() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs `task` in the pool; the future has what it returns. Whoever waits for it is not of
// that pool.
template <class Task>
auto run_in(WorkerPool& pool, Task task) {
  auto packaged = std::make_shared<std::packaged_task<decltype(task())()>>(std::move(task));
  auto future = packaged->get_future();
  pool.post([packaged] { (*packaged)(); });
  return future;
}

// Draws items from `next` until it returns an empty optional, runs `work` on each in the
// pool with at most `window` of them started and unconsumed, and hands each result to
// `consume` in the order of the items. `next` and `consume` run on the calling thread.
//
//   next:    () -> Result<std::optional<Item>>
//   work:    (Item&) -> Result<Out>, on a pool thread; of an item that is the only one, on
//            the calling thread: waking another takes longer than a small item's work
//   consume: (Item&&, Out&&) -> Status
//
// The first error, in the order of the items, ends it: nothing after it is consumed, all
// started work is waited for, and that error is returned.
template <class Item, class Out, class Next, class Work, class Consume>
Status parallel_in_order(WorkerPool& pool, std::size_t window, Next&& next, Work&& work, Consume&& consume) {
  struct Slot {
    Item item;
    std::optional<Result<Out>> out;
  };
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<std::unique_ptr<Slot>> slots;
  std::optional<Error> failure;
  bool exhausted = false, first = true;

  // Waits for the oldest slot; consumes it unless something failed before it.
  const auto retire_oldest = [&] {
    Slot& oldest = *slots.front();
    {
      std::unique_lock lock(mutex);
      ready.wait(lock, [&] { return oldest.out.has_value(); });
    }
    if (!failure) {
      if (!oldest.out->ok()) {
        failure = std::move(*oldest.out).error();
      } else if (Status status = consume(std::move(oldest.item), std::move(*oldest.out).value()); !status.ok()) {
        failure = std::move(status).error();
      }
    }
    slots.pop_front();
  };

  const auto start = [&](Item item) {
    slots.push_back(std::make_unique<Slot>(Slot{std::move(item), std::nullopt}));
    Slot* slot = slots.back().get();
    pool.post([slot, &work, &mutex, &ready] {
      Result<Out> out = work(slot->item);
      const std::lock_guard lock(mutex);
      slot->out.emplace(std::move(out));
      ready.notify_one();
    });
  };
  while (!exhausted && !failure) {
    if (slots.size() >= window) {
      retire_oldest();
      continue;
    }
    Result<std::optional<Item>> item = next();
    if (item.ok() && item->has_value() && window > 1 && std::exchange(first, false)) {
      Result<std::optional<Item>> second = next();
      if (second.ok() && !second->has_value()) {
        CAIRN_TRY(Out out, work(**item));
        return consume(std::move(**item), std::move(out));
      }
      start(std::move(**item));
      item = std::move(second);
    }
    if (!item.ok()) {
      // Everything drawn before the failure comes first.
      while (!slots.empty()) retire_oldest();
      if (!failure) failure = std::move(item).error();
      break;
    }
    if (!item->has_value()) {
      exhausted = true;
      break;
    }
    start(std::move(**item));
  }
  while (!slots.empty()) retire_oldest();
  if (failure) return *std::move(failure);
  return {};
}

}  // namespace cairn
