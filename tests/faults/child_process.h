// SPDX-License-Identifier: Apache-2.0
//
// Work that may die, done in a child process: what it said, and how it ended.
#pragma once

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>

#include <gtest/gtest.h>

namespace cairn::testing {

// A value that children change and their parent sees: the object itself is shared, what
// it points to is not.
template <class T>
class Shared {
 public:
  Shared() : value_(new (memory()) T()) {}
  ~Shared() {
    value_->~T();
    ::munmap(value_, sizeof(T));
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T& operator*() const { return *value_; }
  T* operator->() const { return value_; }

 private:
  static void* memory() {
    void* const at = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    return at;
  }
  T* const value_;
};

struct ChildEnd {
  std::string said;  // what its work returned; empty when it died
  int signal = 0;    // that killed it
  int exit_code = 0;
  bool timed_out = false;  // and was killed for it

  bool ended_well() const { return signal == 0 && exit_code == 0 && !timed_out; }
};

// Threads are not there in a forked child, though those who started them (RocksDB does)
// believe that they are. So a process that forks must never have opened a store itself.
struct Child {
  pid_t pid = 0;
  int says = -1;  // the end of a pipe
};

inline Child start_child(const std::function<std::string()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::bad_alloc();
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    std::string said = work();
    std::size_t at = 0;
    while (at < said.size()) {
      const ssize_t written = ::write(ends[1], said.data() + at, said.size() - at);
      if (written <= 0) break;
      at += static_cast<std::size_t>(written);
    }
    std::fflush(nullptr);
    ::_exit(at == said.size() ? 0 : 1);
  }
  ::close(ends[1]);
  return {child, ends[0]};
}

inline ChildEnd end_of(const Child& child, std::chrono::seconds limit) {
  ChildEnd end;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (char buffer[4096];;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd ready{.fd = child.says, .events = POLLIN, .revents = 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) == 0) {
      end.timed_out = true;
      ::kill(child.pid, SIGKILL);
      break;
    }
    const ssize_t got = ::read(child.says, buffer, sizeof(buffer));
    if (got <= 0) break;
    end.said.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(child.says);
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  return end;
}

inline ChildEnd run_in_child(const std::function<std::string()>& work, std::chrono::seconds limit) {
  return end_of(start_child(work), limit);
}

inline bool is_first_to_run(const ::testing::TestInfo& test) {
  const auto& unit = *::testing::UnitTest::GetInstance();
  for (int i = 0; i < unit.total_test_suite_count(); ++i) {
    const auto& suite = *unit.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      if (suite.GetTestInfo(j)->should_run()) return suite.GetTestInfo(j) == &test;
    }
  }
  return false;
}

// Whether this process has opened no store yet. If it may have, runs the current test again
// in a new process, expects it to pass there, and says no: the caller returns.
inline bool in_fresh_process() {
  constexpr const char* kMark = "CAIRN_TEST_IN_FRESH_PROCESS";
  const auto& unit = *::testing::UnitTest::GetInstance();
  if (std::getenv(kMark) != nullptr) return true;
  const auto& test = *unit.current_test_info();
  if (is_first_to_run(test)) return true;
  const std::string filter = std::string("--gtest_filter=") + test.test_suite_name() + "." + test.name();
  ::setenv(kMark, "1", 1);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/proc/self/exe", "/proc/self/exe", filter.c_str(), "--gtest_brief=1", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::unsetenv(kMark);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << filter << " fails in a process of its own";
  return false;
}

}  // namespace cairn::testing
