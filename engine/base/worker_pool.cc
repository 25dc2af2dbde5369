// SPDX-License-Identifier: Apache-2.0
#include "engine/base/worker_pool.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "engine/base/background_thread.h"

namespace cairn {
namespace {

bool prepare_thread(const char* name, int nice) {
  become_background_thread(name, nice);
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
