// SPDX-License-Identifier: Apache-2.0
#include "engine/base/worker_pool.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/base/background_thread.h"

namespace cairn {

// Not Asio's own thread_pool: where a thread cannot be started, its constructor waits for
// those before it, and they for work, for ever.
struct WorkerPool::Impl {
  boost::asio::io_context context;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> open{context.get_executor()};
  std::vector<std::thread> threads;
};

WorkerPool::WorkerPool(unsigned threads, const char* name, int nice) : impl_(std::make_unique<Impl>()) {
  const unsigned wanted = threads == 0 ? 1 : threads;
  impl_->threads.reserve(wanted);
  try {
    while (impl_->threads.size() < wanted) {
      impl_->threads.emplace_back([&context = impl_->context, name, nice] {
        become_background_thread(name, nice);
        context.run();
      });
    }
  } catch (const std::system_error&) {
    // The process may have no more threads.
  }
}

WorkerPool::~WorkerPool() {
  impl_->open.reset();
  for (std::thread& thread : impl_->threads) thread.join();
}

unsigned WorkerPool::threads() const noexcept { return static_cast<unsigned>(impl_->threads.size()); }

void WorkerPool::post(std::function<void()> task) { boost::asio::post(impl_->context, std::move(task)); }

}  // namespace cairn
