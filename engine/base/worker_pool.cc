// SPDX-License-Identifier: Apache-2.0
#include "engine/base/worker_pool.h"

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace cairn {

struct WorkerPool::Impl {
  explicit Impl(unsigned threads) : pool(threads) {}
  boost::asio::thread_pool pool;
};

WorkerPool::WorkerPool(unsigned threads)
    : impl_(std::make_unique<Impl>(threads == 0 ? 1 : threads)), threads_(threads == 0 ? 1 : threads) {}

WorkerPool::~WorkerPool() { impl_->pool.join(); }

void WorkerPool::post(std::function<void()> task) {
  boost::asio::post(impl_->pool, [task = std::move(task)] {
    thread_local const bool named = pthread_setname_np(pthread_self(), "cairn-work") == 0;
    static_cast<void>(named);
    task();
  });
}

}  // namespace cairn
