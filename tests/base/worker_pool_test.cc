// SPDX-License-Identifier: Apache-2.0
//
// A pool where the system gives fewer threads than it was asked for.
#include "engine/base/worker_pool.h"
#include "engine/base/sanitizers.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace cairn {
namespace {

// What `work` returns in a process that may have `threads` more of them; -1 when it hangs.
int with_threads_left(unsigned threads, const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    // Root has no such limit, and a user has it for all processes together.
    const auto nobody_else = static_cast<uid_t>(100'000 + ::getpid());
    const rlimit limit{.rlim_cur = 1 + threads, .rlim_max = 1 + threads};
    if (::setrlimit(RLIMIT_NPROC, &limit) != 0 || ::setuid(nobody_else) != 0) ::_exit(100);
    ::_exit(work());
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

class WorkerPoolLimitTest : public ::testing::Test {
 protected:
  void SetUp() override {
#if CAIRN_THREAD_SANITIZER
    GTEST_SKIP() << "ThreadSanitizer has a thread of its own";
#endif
    if (::geteuid() != 0) GTEST_SKIP() << "only root may become a user of no other process";
  }
};

TEST_F(WorkerPoolLimitTest, FewerThreadsDoTheWork) {
  const int done = with_threads_left(2, [] {
    WorkerPool pool(5);
    if (pool.threads() != 2) return 50 + static_cast<int>(pool.threads());
    auto one = run_in(pool, [] { return 1; });
    auto two = run_in(pool, [] { return 2; });
    return one.get() + two.get();
  });
  EXPECT_EQ(done, 3);
}

TEST_F(WorkerPoolLimitTest, APoolWithoutThreadsSaysSo) {
  EXPECT_EQ(with_threads_left(0, [] { return static_cast<int>(WorkerPool(5).threads()); }), 0);
}

}  // namespace
}  // namespace cairn
