// SPDX-License-Identifier: Apache-2.0
#include "engine/base/worker_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace cairn {
namespace {

bool prepare_thread(int nice) {
  static_cast<void>(pthread_setname_np(pthread_self(), "cairn-work"));
  const sched_param none{};
  static_cast<void>(pthread_setschedparam(pthread_self(), SCHED_BATCH, &none));
  // Of this thread alone, as Linux has it.
  if (nice > 0) static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice));
  return true;
}

}  // namespace

struct WorkerPool::Impl {
  explicit Impl(unsigned threads) : pool(threads) {}
  boost::asio::thread_pool pool;
};

WorkerPool::WorkerPool(unsigned threads, int nice)
    : impl_(std::make_unique<Impl>(threads == 0 ? 1 : threads)), threads_(threads == 0 ? 1 : threads), nice_(nice) {}

WorkerPool::~WorkerPool() { impl_->pool.join(); }

void WorkerPool::post(std::function<void()> task) {
  boost::asio::post(impl_->pool, [task = std::move(task), nice = nice_] {
    thread_local const bool prepared = prepare_thread(nice);
    static_cast<void>(prepared);
    task();
  });
}

}  // namespace cairn
