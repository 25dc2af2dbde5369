// SPDX-License-Identifier: Apache-2.0
//
// The simulated file system while its power is on: planned failures, a full disk, flipped
// bits, and the mistakes of its callers that it must find.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const FileOptions kCreate{.write = true, .create = true};
const FileOptions kCreateDirect{.write = true, .create = true, .direct = true};

Error injected() { return error_from_errno(EIO, "injected"); }

template <class T>
void expect_code(const Result<T>& result, ErrorCode code) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(error_code_name(result.error().code), error_code_name(code)) << result.error().message;
}

TEST(SimFaults, TheNthWriteSideCallFailsOnce) {
  SimFileSystem fs;
  const auto file = fs.open("a", kCreate).value();
  fs.fail_at(2, injected(), Repeat::once);
  EXPECT_TRUE(file->write_at(0, as_bytes("x")).ok());
  EXPECT_TRUE(file->size().ok()) << "reads do not count";
  EXPECT_FALSE(fs.fault_fired());
  const Status failed = file->write_at(7, as_bytes("y"));
  expect_code(failed, ErrorCode::io);
  EXPECT_EQ(failed.error().sys_errno, EIO);
  EXPECT_THAT(failed.error().message, HasSubstr("write a at 7"));
  EXPECT_TRUE(fs.fault_fired());
  EXPECT_TRUE(file->write_at(1, as_bytes("y")).ok());
}

TEST(SimFaults, OrEveryOneFromThenOn) {
  SimFileSystem fs;
  const auto file = fs.open("a", kCreate).value();
  fs.fail_at(1, injected(), Repeat::forever);
  EXPECT_FALSE(file->write_at(0, as_bytes("x")).ok());
  EXPECT_FALSE(file->sync().ok());
  EXPECT_FALSE(fs.create_directory("d").ok());
  EXPECT_TRUE(fs.list_directory("/").ok());
  fs.clear_faults();
  EXPECT_TRUE(file->sync().ok());
}

TEST(SimFaults, ReadsFailWhenCallsOfEveryKindAreCounted) {
  SimFileSystem fs;
  const auto file = fs.open("a", kCreate).value();
  fs.fail_any_at(2, injected(), Repeat::once);
  EXPECT_TRUE(file->sync().ok());
  std::byte byte{};
  expect_code(file->read_at(0, {&byte, 1}), ErrorCode::io);
  EXPECT_TRUE(file->read_at(0, {&byte, 1}).ok());
}

TEST(SimFaults, EveryWriteSideCallIsCounted) {
  SimFileSystem fs;
  const auto file = fs.open("a", kCreate).value();
  const auto queue = fs.write_queue(*file, 1).value();
  const std::uint64_t before = fs.write_calls();
  ASSERT_TRUE(queue->submit(0, {as_bytes("x")}, 1).ok());
  ASSERT_TRUE(queue->wait_one().ok());
  ASSERT_TRUE(file->truncate(0).ok() && file->preallocate(1).ok() && file->sync().ok());
  ASSERT_TRUE(fs.create_directory("d").ok() && fs.link("a", "b").ok() && fs.rename("b", "c").ok());
  ASSERT_TRUE(fs.remove_file("c").ok() && fs.remove_directory("d").ok() && fs.sync_directory("/").ok());
  EXPECT_EQ(fs.write_calls() - before, 10U);
  ASSERT_TRUE(fs.open("a", {}).ok() && fs.info("a").ok() && fs.space("a").ok() && fs.list_directory("/").ok());
  EXPECT_EQ(fs.write_calls() - before, 10U);
  EXPECT_GT(fs.calls(), fs.write_calls());
}

TEST(SimFaults, AFailedWriteMayBeThereInPart) {
  std::set<std::uint64_t> sizes;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SimFileSystem fs({.seed = seed});
    const auto file = fs.open("a", kCreate).value();
    fs.fail_at(1, injected(), Repeat::once);
    ASSERT_FALSE(file->write_at(0, as_bytes("1234")).ok());
    sizes.insert(file->size().value());
  }
  EXPECT_THAT(sizes, ElementsAre(0, 1, 2, 3, 4));
}

TEST(SimFaults, AQueuedWriteFailsAtItsStartOrAtItsEnd) {
  bool at_start = false;
  bool at_end = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SimFileSystem fs({.seed = seed});
    const auto file = fs.open("a", kCreate).value();
    const auto queue = fs.write_queue(*file, 2).value();
    fs.fail_at(1, injected(), Repeat::once);
    if (!queue->submit(0, {as_bytes("x")}, 1).ok()) {
      at_start = true;
      EXPECT_EQ(queue->in_flight(), 0U);
      continue;
    }
    at_end = true;
    EXPECT_EQ(queue->in_flight(), 1U);
    expect_code(queue->wait_one(), ErrorCode::io);
    EXPECT_EQ(queue->in_flight(), 0U);
  }
  EXPECT_TRUE(at_start);
  EXPECT_TRUE(at_end);
}

TEST(SimFaults, QueuedWritesCompleteInAnyOrder) {
  std::set<std::vector<std::uint64_t>> orders;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs({.seed = seed});
    const auto file = fs.open("a", kCreate).value();
    const auto queue = fs.write_queue(*file, 3).value();
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(queue->submit(i, {as_bytes("x")}, i).ok());
    std::vector<std::uint64_t> order;
    while (queue->in_flight() > 0) order.push_back(queue->wait_one().value());
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 6U);
}

TEST(SimFaults, BytesChangedInFlightAreFoundOut) {
  SimFileSystem fs;
  const auto file = fs.open("a", kCreate).value();
  const auto queue = fs.write_queue(*file, 1).value();
  std::string bytes = "steady";
  ASSERT_TRUE(queue->submit(0, {as_bytes(bytes)}, 1).ok());
  bytes[0] = 'S';
  expect_code(queue->wait_one(), ErrorCode::invalid_argument);
}

TEST(SimFaults, MisalignedDirectTransfersAreErrors) {
  SimFileSystem fs;
  const auto file = fs.open("a", kCreateDirect).value();
  ASSERT_TRUE(file->direct());
  const AlignedBuffer buffer = AlignedBuffer::allocate(2 * kPageBytes);
  std::fill_n(buffer.data(), buffer.capacity(), std::byte{1});
  EXPECT_TRUE(file->write_at(0, buffer.span()).ok());
  expect_code(file->write_at(1, buffer.first(kPageBytes)), ErrorCode::invalid_argument);
  expect_code(file->write_at(0, buffer.first(kPageBytes - 1)), ErrorCode::invalid_argument);
  expect_code(file->write_at(0, buffer.span().subspan(512, kPageBytes)), ErrorCode::invalid_argument);
  expect_code(file->read_at(0, buffer.span().subspan(1, kPageBytes)), ErrorCode::invalid_argument);
  expect_code(file->read_at(512, buffer.span()), ErrorCode::invalid_argument);
  const auto queue = fs.write_queue(*file, 1).value();
  ASSERT_TRUE(queue->submit(0, {buffer.first(kPageBytes), buffer.first(512)}, 1).ok() == false ||
              !queue->wait_one().ok());
}

TEST(SimFaults, DirectIsRefusedOnDemand) {
  SimFileSystem fs({.direct = false});
  const auto file = fs.open("a", kCreateDirect).value();
  EXPECT_FALSE(file->direct());
  EXPECT_TRUE(file->write_at(1, as_bytes("x")).ok());
}

TEST(SimFaults, AFullDiskSaysSoAndRecovers) {
  SimFileSystem fs({.capacity_bytes = 4 * kPageBytes});
  const auto file = fs.open("a", kCreate).value();
  const std::string page(kPageBytes, 'x');
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(file->write_at(i * kPageBytes, as_bytes(page)).ok());
  EXPECT_EQ(fs.space("/").value().available_bytes, kPageBytes);
  const auto other = fs.open("b", kCreate).value();
  ASSERT_TRUE(other->write_at(0, as_bytes("1")).ok());
  expect_code(file->write_at(3 * kPageBytes, as_bytes("x")), ErrorCode::no_space);
  expect_code(file->preallocate(4 * kPageBytes), ErrorCode::no_space);
  expect_code(file->truncate(5 * kPageBytes), ErrorCode::no_space);
  ASSERT_TRUE(file->write_at(0, as_bytes(page)).ok()) << "overwriting takes no space";
  ASSERT_TRUE(fs.remove_file("b").ok());
  EXPECT_EQ(fs.space("/").value().available_bytes, 0U) << "an open file keeps its space";
  ASSERT_TRUE(fs.open("c", kCreate).ok());
  const auto queue = fs.write_queue(*file, 1).value();
  const Status started = queue->submit(3 * kPageBytes, {as_bytes("x")}, 1);
  EXPECT_FALSE(started.ok() && queue->wait_one().ok());
  fs.set_capacity(8 * kPageBytes);
  EXPECT_TRUE(file->write_at(3 * kPageBytes, as_bytes("x")).ok());
  ASSERT_TRUE(file->truncate(0).ok());
  EXPECT_EQ(fs.space("/").value().available_bytes, 7 * kPageBytes);
}

TEST(SimFaults, AClosedRemovedFileGivesItsSpaceBack) {
  SimFileSystem fs({.capacity_bytes = 4 * kPageBytes});
  auto file = fs.open("a", kCreate).value();
  ASSERT_TRUE(file->preallocate(4 * kPageBytes).ok());
  ASSERT_TRUE(fs.link("a", "b").ok() && fs.remove_file("a").ok());
  file.reset();
  EXPECT_EQ(fs.space("/").value().available_bytes, 0U) << "the other name keeps it";
  ASSERT_TRUE(fs.remove_file("b").ok());
  EXPECT_EQ(fs.space("/").value().available_bytes, 4 * kPageBytes);
}

TEST(SimFaults, AFlippedBitIsReadAndSurvives) {
  SimFileSystem fs;
  ASSERT_TRUE(write_file_atomically(fs, "/a", as_bytes("abc")).ok());
  ASSERT_TRUE(fs.open("a", {.write = true}).value()->write_at(2, as_bytes("C")).ok());
  ASSERT_TRUE(fs.flip_bit("a", 1, 0).ok());
  ASSERT_TRUE(fs.flip_bit("a", 2, 5).ok());
  EXPECT_FALSE(fs.flip_bit("a", 3, 0).ok());
  EXPECT_FALSE(fs.flip_bit("b", 0, 0).ok());
  EXPECT_EQ(as_text(read_file(fs, "a", 3).value()), "acc");
  EXPECT_EQ(as_text(read_file(*fs.survivor(1, Loss::keep_all), "a", 3).value()), "acc");
  EXPECT_EQ(as_text(read_file(*fs.survivor(1, Loss::drop_unsynced), "a", 3).value()), "acC");
}

TEST(SimFaults, TheTraceTellsWhatWasDone) {
  SimFileSystem fs;
  const auto file = fs.open("log/../a", kCreate).value();
  ASSERT_TRUE(file->write_at(8192, as_bytes("xyz")).ok());
  static_cast<void>(fs.remove_file("nowhere"));
  EXPECT_THAT(fs.trace(), HasSubstr("write log/../a at 8192, 3 bytes\n"));
  EXPECT_THAT(fs.trace(), HasSubstr("remove nowhere: failed\n"));
}

TEST(SimFaults, HandlesMayOutliveTheFileSystem) {
  std::unique_ptr<File> file;
  std::unique_ptr<FileLock> lock;
  {
    SimFileSystem fs;
    file = fs.open("a", kCreate).value();
    lock = fs.lock("lock").value();
  }
  EXPECT_TRUE(file->write_at(0, as_bytes("x")).ok());
}

}  // namespace
}  // namespace cairn::testing
