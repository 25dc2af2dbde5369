// SPDX-License-Identifier: Apache-2.0
//
// What only the real file system can show: descriptors, processes, limits.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>

#include "engine/base/aligned_buffer.h"
#include "engine/io/posix_file.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

using ::testing::HasSubstr;

const FileOptions kCreate{.write = true, .create = true};

// A forked child that runs `body`, then says so and waits to be let go or killed.
class Child {
 public:
  template <class Body>
  explicit Child(const Body& body) {
    EXPECT_EQ(::pipe2(ready_.data(), O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(go_.data(), O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(go_[1]);
      const auto kept = body();
      char byte = 'r';
      static_cast<void>(::write(ready_[1], &byte, 1) + ::read(go_[0], &byte, 1));
      ::_exit(0);
    }
    ::close(ready_[1]);
    char byte = 0;
    ready_[1] = -1;
    EXPECT_EQ(::read(ready_[0], &byte, 1), 1) << "the child died before it was ready";
  }
  ~Child() {
    if (pid_ > 0) kill();
    for (const int fd : {ready_[0], go_[0], go_[1]}) ::close(fd);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  std::array<int, 2> ready_{}, go_{};
  pid_t pid_ = -1;
};

// Runs `body` in a forked child; whether it returned true.
template <class Body>
bool true_in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::size_t open_rings() {
  std::size_t rings = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone).string().find("io_uring") != std::string::npos) ++rings;
  }
  return rings;
}

class PosixTest : public ::testing::Test {
 protected:
  ScratchFolder scratch;
  FileSystem& fs = posix_file_system();
};

TEST_F(PosixTest, ALockNamesTheProcessThatHoldsItAndEndsWithIt) {
  Child holder([&] { return posix_file_system().lock(scratch / "lock").value(); });
  const auto refused = fs.lock(scratch / "lock");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::held);
  EXPECT_THAT(refused.error().message, HasSubstr("pid " + std::to_string(holder.pid())));
  holder.kill();
  EXPECT_TRUE(fs.lock(scratch / "lock").ok());
  EXPECT_EQ(as_text(read_file(fs, scratch / "lock", 100).value()), std::to_string(::getpid()) + "\n");
}

TEST_F(PosixTest, AForkedChildDoesNotKeepItsParentsLock) {
  std::array<int, 2> grandchild_pid{};
  ASSERT_EQ(::pipe2(grandchild_pid.data(), O_CLOEXEC), 0);
  Child holder([&] {
    auto lock = posix_file_system().lock(scratch / "lock").value();
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      const pid_t self = ::getpid();
      static_cast<void>(::write(grandchild_pid[1], &self, sizeof(self)) > 0);
      for (;;) ::pause();
    }
    return lock;
  });
  pid_t grandchild = 0;
  ASSERT_EQ(::read(grandchild_pid[0], &grandchild, sizeof(grandchild)), static_cast<ssize_t>(sizeof(grandchild)));
  EXPECT_FALSE(fs.lock(scratch / "lock").ok());
  holder.kill();
  EXPECT_EQ(::kill(grandchild, 0), 0) << "the test proves nothing if the grandchild is gone";
  EXPECT_TRUE(fs.lock(scratch / "lock").ok());
  ::kill(grandchild, SIGKILL);
  for (const int fd : grandchild_pid) ::close(fd);
}

TEST_F(PosixTest, AForkedChildCannotReleaseItsParentsLock) {
  auto lock = fs.lock(scratch / "lock").value();
  EXPECT_TRUE(true_in_child([&] {
    lock.reset();
    return posix_file_system().lock(scratch / "lock").ok() == false;
  }));
  EXPECT_FALSE(fs.lock(scratch / "lock").ok());
}

TEST_F(PosixTest, AGrandchildKeepsTheFilesItsParentOpenedInPlaceOfTheLock) {
  const auto lock = fs.lock(scratch / "lock").value();
  EXPECT_TRUE(true_in_child([&] {
    // Takes the number that the lock's descriptor had.
    const auto file = posix_file_system().open(scratch / "a", kCreate).value();
    return true_in_child([&] { return file->write_at(0, as_bytes("x")).ok(); });
  }));
}

TEST_F(PosixTest, ALockFileWithoutASensiblePidStillLocks) {
  ASSERT_TRUE(fs.open(scratch / "lock", kCreate).value()->write_at(0, as_bytes("not a number, and long")).ok());
  const auto lock = fs.lock(scratch / "lock");
  ASSERT_TRUE(lock.ok());
  ASSERT_TRUE(fs.open(scratch / "lock", kCreate).value()->write_at(0, as_bytes("-77")).ok());
  EXPECT_EQ(fs.lock(scratch / "lock").error().code, ErrorCode::held);
}

TEST_F(PosixTest, ALockOnARemovedFileIsNotALockOnItsSuccessor) {
  const auto lock = fs.lock(scratch / "lock");
  ASSERT_TRUE(fs.remove_file(scratch / "lock").ok());
  EXPECT_TRUE(fs.lock(scratch / "lock").ok());
}

TEST_F(PosixTest, EveryDescriptorClosesOnExec) {
  const auto direct = fs.open(scratch / "a", {.write = true, .create = true, .direct = true}).value();
  const auto reader = fs.open(scratch / "a", {}).value();
  const auto queue = fs.write_queue(*direct, 2).value();
  const auto lock = fs.lock(scratch / "lock").value();
  std::size_t looked_at = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.find(scratch.path().string()) != 0 && target.find("io_uring") == std::string::npos) continue;
    ++looked_at;
    EXPECT_NE(::fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC, 0) << target;
  }
  EXPECT_EQ(looked_at, 3U + open_rings());
}

TEST_F(PosixTest, DirectIsSetOnTheDescriptorWhenItIsTold) {
  const auto direct = fs.open(scratch / "a", {.write = true, .create = true, .direct = true}).value();
  const auto buffered = fs.open(scratch / "a", kCreate).value();
  const auto flags = [](File& file) { return ::fcntl(dynamic_cast<PosixFile&>(file).fd(), F_GETFL) & O_DIRECT; };
  EXPECT_EQ(flags(*direct) != 0, direct->direct());
  EXPECT_EQ(flags(*buffered), 0);
  EXPECT_FALSE(buffered->direct());
}

TEST_F(PosixTest, QueuesGoThroughIoUringWhereItIsAndOnlyWhereAsked) {
  const auto file = fs.open(scratch / "a", kCreate).value();
  const std::size_t before = open_rings();
  const auto plain = make_posix_file_system({.io_uring = false})->write_queue(*file, 2).value();
  EXPECT_EQ(open_rings(), before);
  const auto queue = fs.write_queue(*file, 2).value();
  EXPECT_EQ(open_rings(), before + (io_uring_available() ? 1 : 0));
}

TEST_F(PosixTest, AQueueInAForkedChildIsLetGoWithoutWaiting) {
  const auto file = fs.open(scratch / "a", kCreate).value();
  auto queue = fs.write_queue(*file, 2).value();
  ASSERT_TRUE(queue->submit(0, {as_bytes("x")}, 1).ok());
  EXPECT_TRUE(true_in_child([&] {
    queue.reset();
    return true;
  }));
  EXPECT_EQ(queue->wait_one().value(), 1U);
}

// A limit on file size makes the kernel write what fits and refuse the rest, as a disk
// that runs full does.
class ShortWrite : public PosixTest, public ::testing::WithParamInterface<PosixOptions> {
 protected:
  static constexpr std::size_t kLimit = 10 * kPageBytes;

  template <class Write>
  void expect_stopped_at_limit(const Write& write) {
    const bool told = true_in_child([&] {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{kLimit, kLimit};
      if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
      const auto options = GetParam();
      const auto posix = make_posix_file_system(options);
      const auto file = posix->open(scratch / "a", {.write = true, .create = true, .direct = true}).value();
      const AlignedBuffer bytes = AlignedBuffer::allocate(2 * kLimit);
      std::fill_n(bytes.data(), bytes.capacity(), std::byte{'x'});
      const Error error = write(*posix, *file, bytes.span());
      const bool named = error.message.find("a at " + std::to_string(kLimit)) != std::string::npos;
      if (!named || error.sys_errno != EFBIG) std::fprintf(stderr, "%s\n", error.message.c_str());
      return named && error.sys_errno == EFBIG;
    });
    EXPECT_TRUE(told);
    EXPECT_EQ(fs.info(scratch / "a").value().size, kLimit) << "what fits must have been written";
  }
};

TEST_P(ShortWrite, IsContinuedAndThenTellsWhereItStopped) {
  expect_stopped_at_limit([](FileSystem&, File& file, Bytes bytes) { return file.write_at(0, bytes).error(); });
}

TEST_P(ShortWrite, IsContinuedInAQueueToo) {
  expect_stopped_at_limit([](FileSystem& posix, File& file, Bytes bytes) {
    const auto queue = posix.write_queue(file, 1).value();
    const Bytes first = bytes.first(3 * kPageBytes);
    EXPECT_TRUE(queue->submit(0, {first, bytes.subspan(first.size())}, 1).ok());
    return queue->wait_one().error();
  });
}

INSTANTIATE_TEST_SUITE_P(Each, ShortWrite,
                         ::testing::Values(PosixOptions{}, PosixOptions{.io_uring = false},
                                           PosixOptions{.direct = false},
                                           PosixOptions{.io_uring = false, .direct = false}),
                         [](const auto& param) {
                           return std::string(param.param.io_uring ? "Uring" : "Pwrite") +
                                  (param.param.direct ? "Direct" : "Buffered");
                         });

}  // namespace
}  // namespace cairn::testing
