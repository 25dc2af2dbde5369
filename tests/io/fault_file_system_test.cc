// SPDX-License-Identifier: Apache-2.0
//
// The fault decorator over the real file system: what fails, when the process dies, and
// what a dead process leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const FileOptions kCreate{.write = true, .create = true};

class FaultFileSystemTest : public ::testing::Test {
 protected:
  // Runs in a forked child. Whether SIGKILL ended it.
  template <class Scenario>
  bool killed(std::uint64_t n, KillPoint point, const Scenario& scenario) {
    const pid_t child = ::fork();
    if (child == 0) {
      FaultFileSystem faulty(posix_file_system());
      faulty.kill_at(n, point);
      scenario(faulty);
      ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || (WIFEXITED(status) && status == 0)) << status;
    return WIFSIGNALED(status);
  }
  std::string text_of(const std::string& name) {
    const auto content = read_file(posix_file_system(), scratch / name, MiB);
    return content.ok() ? std::string(as_text(*content)) : std::string(error_code_name(content.error().code));
  }

  ScratchFolder scratch;
  FaultFileSystem fs{posix_file_system()};
};

TEST_F(FaultFileSystemTest, EveryWriteSideCallIsCounted) {
  const auto file = fs.open(scratch / "a", kCreate).value();
  const auto queue = fs.write_queue(*file, 1).value();
  EXPECT_EQ(fs.write_calls(), 1U) << "opening with create counts";
  ASSERT_TRUE(file->write_at(0, as_bytes("x")).ok());
  ASSERT_TRUE(queue->submit(0, {as_bytes("x")}, 1).ok());
  ASSERT_TRUE(queue->wait_one().ok());
  ASSERT_TRUE(file->truncate(0).ok() && file->preallocate(1).ok() && file->sync().ok());
  ASSERT_TRUE(fs.create_directory(scratch / "d").ok() && fs.link(scratch / "a", scratch / "b").ok());
  ASSERT_TRUE(fs.rename(scratch / "b", scratch / "c").ok() && fs.remove_file(scratch / "c").ok());
  ASSERT_TRUE(fs.remove_directory(scratch / "d").ok() && fs.sync_directory(scratch / ".").ok());
  EXPECT_EQ(fs.write_calls(), 12U);
  ASSERT_TRUE(fs.open(scratch / "a", {}).ok() && fs.info(scratch / "a").ok());
  EXPECT_EQ(fs.write_calls(), 12U);
}

TEST_F(FaultFileSystemTest, AFailedCallIsNotMadeAndNamesItsFile) {
  const auto file = fs.open(scratch / "a", kCreate).value();
  fs.fail_at(1, error_from_errno(ENOSPC, "injected"), Repeat::once);
  const Status failed = file->write_at(5, as_bytes("x"));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::no_space);
  EXPECT_THAT(failed.error().message, HasSubstr("a at 5"));
  EXPECT_EQ(file->size().value(), 0U);
  EXPECT_TRUE(fs.fault_fired());
  EXPECT_TRUE(file->write_at(0, as_bytes("x")).ok());
  fs.fail_at(1, error_from_errno(EIO, "injected"), Repeat::forever);
  EXPECT_FALSE(file->sync().ok());
  EXPECT_FALSE(fs.remove_file(scratch / "a").ok());
  EXPECT_EQ(text_of("a"), "x");
}

TEST_F(FaultFileSystemTest, AFailedQueuedWriteIsToldByWaiting) {
  const auto file = fs.open(scratch / "a", kCreate).value();
  const auto queue = fs.write_queue(*file, 2).value();
  fs.fail_at(2, error_from_errno(EIO, "injected"), Repeat::once);
  ASSERT_TRUE(queue->submit(0, {as_bytes("x")}, 1).ok());
  ASSERT_TRUE(queue->submit(1, {as_bytes("y")}, 2).ok());
  EXPECT_EQ(queue->in_flight(), 2U);
  EXPECT_FALSE(queue->submit(2, {as_bytes("z")}, 3).ok()) << "a failed write takes its place until waited for";
  EXPECT_FALSE(queue->wait_one().ok());
  EXPECT_EQ(queue->wait_one().value(), 1U);
  EXPECT_EQ(text_of("a"), "x");
}

TEST_F(FaultFileSystemTest, AReadFailsWhenCallsOfEveryKindAreCounted) {
  const auto file = fs.open(scratch / "a", kCreate).value();
  fs.fail_any_at(1, error_from_errno(EIO, "injected"), Repeat::once);
  EXPECT_FALSE(file->size().ok());
  EXPECT_TRUE(file->size().ok());
}

TEST_F(FaultFileSystemTest, TheProcessDiesBeforeHalfwayOrAfterTheCall) {
  const auto scenario = [&](FileSystem& faulty) {
    const auto file = faulty.open(scratch / "a", kCreate).value();
    static_cast<void>(file->write_at(0, as_bytes("12345678")));
  };
  ASSERT_TRUE(killed(2, KillPoint::before, scenario));
  EXPECT_EQ(text_of("a"), "");
  ASSERT_TRUE(killed(2, KillPoint::halfway, scenario));
  EXPECT_EQ(text_of("a"), "1234");
  ASSERT_TRUE(killed(2, KillPoint::after, scenario));
  EXPECT_EQ(text_of("a"), "12345678");
  EXPECT_FALSE(killed(3, KillPoint::before, scenario));
}

TEST_F(FaultFileSystemTest, HalfOfAQueuedDirectWriteIsWholePages) {
  const auto scenario = [&](FileSystem& faulty) {
    const auto file = faulty.open(scratch / "a", {.write = true, .create = true, .direct = true}).value();
    const auto queue = faulty.write_queue(*file, 1).value();
    const AlignedBuffer buffer = AlignedBuffer::allocate(3 * kPageBytes);
    std::fill_n(buffer.data(), buffer.capacity(), std::byte{'x'});
    static_cast<void>(queue->submit(0, {buffer.first(kPageBytes), buffer.span().subspan(kPageBytes)}, 1));
    static_cast<void>(queue->wait_one());
  };
  ASSERT_TRUE(killed(2, KillPoint::halfway, scenario));
  EXPECT_EQ(text_of("a"), std::string(kPageBytes, 'x'));
}

TEST_F(FaultFileSystemTest, ReplacingAFileSurvivesAKillAtEveryCall) {
  const std::string old(3000, 'o');
  const std::string fresh(4000, 'n');
  std::set<std::string> found;
  std::uint64_t kills = 0;
  for (const KillPoint point : {KillPoint::before, KillPoint::halfway, KillPoint::after}) {
    for (std::uint64_t n = 1;; ++n) {
      ASSERT_TRUE(write_file_atomically(posix_file_system(), scratch / "a", as_bytes(old)).ok());
      const bool died = killed(n, point, [&](FileSystem& faulty) {
        static_cast<void>(write_file_atomically(faulty, scratch / "a", as_bytes(fresh)));
      });
      found.insert(text_of("a"));
      if (!died) break;
      ++kills;
    }
  }
  EXPECT_THAT(found, ElementsAre(fresh, old));
  EXPECT_EQ(kills, 15U) << "open, write, sync, rename, sync folder; three ways each";
}

}  // namespace
}  // namespace cairn::testing
