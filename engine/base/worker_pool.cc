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

WorkerPool::WorkerPool(unsigned threads, const char* name)
    : impl_(std::make_unique<Impl>(threads == 0 ? 1 : threads)), threads_(threads == 0 ? 1 : threads), name_(name) {}

WorkerPool::~WorkerPool() { impl_->pool.join(); }

void WorkerPool::post(std::function<void()> task) {
  boost::asio::post(impl_->pool, [task = std::move(task), name = name_] {
    thread_local const bool named = pthread_setname_np(pthread_self(), name) == 0;
    static_cast<void>(named);
    task();
  });
}

}  // namespace cairn
