// SPDX-License-Identifier: Apache-2.0
#include "engine/base/worker_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace cairn {
namespace {

bool prepare_thread(const char* name, int nice) {
  static_cast<void>(pthread_setname_np(pthread_self(), name));
  // Of this thread alone, as Linux has it.
  if (nice > 0) static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice));
  return true;
}

}  // namespace

struct WorkerPool::Impl {
  explicit Impl(unsigned threads) : pool(threads) {}
  boost::asio::thread_pool pool;
};

WorkerPool::WorkerPool(unsigned threads, const char* name, int nice)
    : impl_(std::make_unique<Impl>(threads == 0 ? 1 : threads)),
      threads_(threads == 0 ? 1 : threads),
      name_(name),
      nice_(nice) {}

WorkerPool::~WorkerPool() { impl_->pool.join(); }

void WorkerPool::post(std::function<void()> task) {
  boost::asio::post(impl_->pool, [task = std::move(task), name = name_, nice = nice_] {
    thread_local const bool prepared = prepare_thread(name, nice);
    static_cast<void>(prepared);
    task();
  });
}

}  // namespace cairn
