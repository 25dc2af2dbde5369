// SPDX-License-Identifier: Apache-2.0
//
// What every FileSystem promises in its header, asked of each in turn: the real one through
// io_uring, through pwrite, buffered and on tmpfs, the simulated one, and one behind the
// fault decorator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>

#include "engine/base/aligned_buffer.h"
#include "engine/io/file_system.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kSharedMemory = "/dev/shm";

enum class Place { disk, tmpfs, sim };

struct Kind {
  const char* name;
  Place place = Place::disk;
  PosixOptions posix;
  bool decorated = false;
};

AlignedBuffer pages(std::size_t count, unsigned char fill) {
  AlignedBuffer buffer = AlignedBuffer::allocate(count * kPageBytes);
  std::fill_n(buffer.data(), buffer.capacity(), std::byte{fill});
  return buffer;
}

class FileSystemContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    switch (GetParam().place) {
      case Place::disk:
        scratch_ = std::make_unique<ScratchFolder>();
        folder_ = scratch_->path().string();
        break;
      case Place::tmpfs: {
        if (::access(kSharedMemory, W_OK) != 0) GTEST_SKIP() << kSharedMemory << " is not there";
        std::string pattern = std::string(kSharedMemory) + "/cairn-test-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        break;
      }
      case Place::sim: folder_ = "/store"; break;
    }
    if (GetParam().place == Place::sim) {
      base_ = std::make_unique<SimFileSystem>();
      ASSERT_TRUE(base_->create_directory(folder_).ok());
    } else {
      base_ = make_posix_file_system(GetParam().posix);
    }
    if (GetParam().decorated) decorator_ = std::make_unique<FaultFileSystem>(*base_);
  }

  void TearDown() override {
    if (GetParam().place == Place::tmpfs && !folder_.empty()) std::filesystem::remove_all(folder_);
  }

  FileSystem& fs() { return decorator_ ? static_cast<FileSystem&>(*decorator_) : *base_; }
  std::string at(const std::string& name) const { return folder_ + "/" + name; }

  std::unique_ptr<File> open(const std::string& name, const FileOptions& options) {
    auto file = fs().open(at(name), options);
    if (!file.ok()) {
      ADD_FAILURE() << file.error().message;
      return nullptr;
    }
    return std::move(file).value();
  }
  std::unique_ptr<File> create(const std::string& name, bool direct = false) {
    return open(name, {.write = true, .create = true, .direct = direct});
  }
  void write_text(const std::string& name, std::string_view text) {
    ASSERT_TRUE(create(name)->write_at(0, as_bytes(text)).ok());
  }
  std::string text_of(const std::string& name) {
    const auto content = read_file(fs(), at(name), 64 * MiB);
    return content.ok() ? std::string(as_text(*content)) : content.error().message;
  }
  static std::string text_at(File& file, std::uint64_t offset, std::size_t length) {
    std::string text(length, '?');
    const auto got = file.read_at(offset, std::as_writable_bytes(std::span(text)));
    return got.ok() ? text.substr(0, *got) : got.error().message;
  }
  // Waits for everything in flight; the tags of what succeeded.
  static std::multiset<std::uint64_t> drain(WriteQueue& queue) {
    std::multiset<std::uint64_t> tags;
    while (queue.in_flight() > 0) {
      const auto tag = queue.wait_one();
      if (tag.ok()) {
        tags.insert(*tag);
      } else {
        ADD_FAILURE() << tag.error().message;
      }
    }
    return tags;
  }

  template <class T>
  static void expect_error(const Result<T>& result, ErrorCode code, const std::string& named) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(error_code_name(result.error().code), error_code_name(code)) << result.error().message;
    EXPECT_THAT(result.error().message, HasSubstr(named));
  }

 private:
  std::unique_ptr<ScratchFolder> scratch_;
  std::string folder_;
  std::unique_ptr<FileSystem> base_;
  std::unique_ptr<FaultFileSystem> decorator_;
};

TEST_P(FileSystemContract, WhatIsWrittenIsRead) {
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("hello")).ok());
  ASSERT_TRUE(file->write_at(5, as_bytes(" world")).ok());
  ASSERT_TRUE(file->write_at(0, as_bytes("J")).ok());
  EXPECT_EQ(text_at(*file, 0, 11), "Jello world");
  EXPECT_EQ(file->size().value(), 11U);
  ASSERT_TRUE(file->sync().ok());
  EXPECT_EQ(text_of("a"), "Jello world");
}

TEST_P(FileSystemContract, AReadEndsWithTheFile) {
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("abc")).ok());
  EXPECT_EQ(text_at(*file, 1, 100), "bc");
  EXPECT_EQ(text_at(*file, 3, 10), "");
  EXPECT_EQ(text_at(*file, 1000, 10), "");
}

TEST_P(FileSystemContract, AGapReadsAsZeros) {
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(4, as_bytes("x")).ok());
  EXPECT_EQ(text_at(*file, 0, 5), std::string(4, '\0') + "x");
}

TEST_P(FileSystemContract, TruncatingCutsAndExtends) {
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("abcdef")).ok());
  ASSERT_TRUE(file->truncate(2).ok());
  ASSERT_TRUE(file->truncate(4).ok());
  EXPECT_EQ(text_at(*file, 0, 10), std::string("ab") + std::string(2, '\0'));
}

TEST_P(FileSystemContract, OpeningFollowsItsOptions) {
  expect_error(fs().open(at("a"), {}), ErrorCode::not_found, "a");
  expect_error(fs().open(at("a"), {.write = true}), ErrorCode::not_found, "a");
  expect_error(fs().open(at("no/a"), {.write = true, .create = true}), ErrorCode::not_found, "no/a");
  write_text("a", "content");
  expect_error(fs().open(at("a"), {.write = true, .create = true, .exclusive = true}), ErrorCode::already_exists, "a");
  EXPECT_EQ(text_at(*create("a"), 0, 10), "content") << "opening with create must leave what is there";
  EXPECT_EQ(open("a", {.write = true, .truncate = true})->size().value(), 0U);
  expect_error(fs().open(at("b"), {.create = true}), ErrorCode::invalid_argument, "b");
  expect_error(fs().open(at("b"), {.write = true, .exclusive = true}), ErrorCode::invalid_argument, "b");
}

TEST_P(FileSystemContract, AFileOpenedForReadingIsNotWritten) {
  write_text("a", "content");
  const auto file = open("a", {});
  expect_error(file->write_at(3, as_bytes("x")), ErrorCode::io, "a at 3");
  EXPECT_FALSE(file->truncate(0).ok());
  EXPECT_EQ(text_of("a"), "content");
}

TEST_P(FileSystemContract, PreallocationTakesSpaceAndLeavesTheSize) {
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("abc")).ok());
  ASSERT_TRUE(file->preallocate(8 * MiB).ok());
  EXPECT_EQ(file->size().value(), 3U);
  ASSERT_TRUE(file->preallocate(0).ok());
  EXPECT_GE(fs().info(at("a")).value().disk_bytes, 8 * MiB);
  ASSERT_TRUE(file->truncate(3).ok());
  ASSERT_TRUE(file->sync().ok());
  EXPECT_LT(fs().info(at("a")).value().disk_bytes, 1 * MiB) << "truncating must give the space back";
  EXPECT_EQ(text_of("a"), "abc");
}

TEST_P(FileSystemContract, DirectFilesTakeWholePagesAndEndAnywhere) {
  const auto file = create("a", true);
  const AlignedBuffer written = pages(3, 7);
  ASSERT_TRUE(file->write_at(0, written.span()).ok());
  ASSERT_TRUE(file->write_at(2 * kPageBytes, pages(2, 9).span()).ok());
  EXPECT_EQ(file->size().value(), 4 * kPageBytes);
  ASSERT_TRUE(file->sync().ok());
  const AlignedBuffer read = pages(8, 0);
  EXPECT_EQ(file->read_at(0, read.span()).value(), 4 * kPageBytes);
  EXPECT_EQ(read.data()[2 * kPageBytes - 1], std::byte{7});
  EXPECT_EQ(read.data()[2 * kPageBytes], std::byte{9});
  for (const std::uint64_t end : {kPageBytes + 1, kPageBytes + 512, 2 * kPageBytes - 1}) {
    SCOPED_TRACE(end);
    ASSERT_TRUE(file->truncate(end).ok());
    EXPECT_EQ(file->read_at(0, read.span()).value(), end);
    EXPECT_EQ(file->read_at(kPageBytes, read.first(kPageBytes)).value(), end - kPageBytes);
    EXPECT_EQ(file->read_at(2 * kPageBytes, read.first(kPageBytes)).value(), 0U);
  }
}

TEST_P(FileSystemContract, CreatingExclusivelyWorksWhereDirectIsRefused) {
  const auto file = open("a", {.write = true, .create = true, .exclusive = true, .direct = true});
  ASSERT_NE(file, nullptr);
  EXPECT_TRUE(file->write_at(0, pages(1, 1).span()).ok());
  if (!GetParam().posix.direct) {
    EXPECT_FALSE(file->direct());
  }
}

TEST_P(FileSystemContract, OffsetsBeyondWhatAFileCanHoldAreErrors) {
  const auto file = create("a");
  EXPECT_FALSE(file->write_at(UINT64_MAX - 1, as_bytes("abc")).ok());
  EXPECT_FALSE(file->truncate(UINT64_MAX).ok());
  EXPECT_FALSE(file->preallocate(UINT64_MAX).ok());
  EXPECT_EQ(file->size().value(), 0U);
}

TEST_P(FileSystemContract, AQueueWritesEveryPartInOrder) {
  const auto file = create("a");
  const auto queue = fs().write_queue(*file, 4).value();
  EXPECT_EQ(queue->depth(), 4U);
  EXPECT_EQ(queue->in_flight(), 0U);
  ASSERT_TRUE(queue->submit(6, {as_bytes("wor"), Bytes{}, as_bytes("ld")}, 11).ok());
  ASSERT_TRUE(queue->submit(0, {as_bytes("hello"), as_bytes(" ")}, 22).ok());
  ASSERT_TRUE(queue->submit(100, {}, 33).ok());
  EXPECT_EQ(queue->in_flight(), 3U);
  EXPECT_THAT(drain(*queue), ElementsAre(11, 22, 33));
  EXPECT_EQ(text_of("a"), "hello world");
}

// Linux takes at most 1024 parts in one call: the rest must follow.
TEST_P(FileSystemContract, AQueueWritesMorePartsThanOneCallTakes) {
  const auto file = create("a");
  const auto queue = fs().write_queue(*file, 2).value();
  std::string expected;
  for (int i = 0; i < 5000; ++i) expected.push_back(static_cast<char>('a' + i % 26));
  std::vector<Bytes> parts;
  for (std::size_t i = 0; i < expected.size(); ++i) parts.push_back(as_bytes(expected).subspan(i, 1));
  ASSERT_TRUE(queue->submit(1, parts, 5).ok());
  EXPECT_THAT(drain(*queue), ElementsAre(5));
  EXPECT_EQ(text_at(*file, 1, 6000), expected);
}

TEST_P(FileSystemContract, AFullQueueKeepsWritingUntilAllIsThere) {
  constexpr std::size_t kDepth = 8;
  constexpr std::size_t kWrites = 100;
  const auto file = create("a", true);
  std::vector<AlignedBuffer> buffers;
  for (std::size_t i = 0; i < kWrites; ++i) buffers.push_back(pages(4, static_cast<unsigned char>(i + 1)));
  std::multiset<std::uint64_t> tags;
  {
    const auto queue = fs().write_queue(*file, kDepth).value();
    for (std::size_t i = 0; i < kWrites; ++i) {
      if (queue->in_flight() == kDepth) tags.insert(queue->wait_one().value());
      const MutableBytes whole = buffers[i].span();
      const std::vector<Bytes> parts{whole.first(kPageBytes), whole.subspan(kPageBytes)};
      ASSERT_TRUE(queue->submit(i * whole.size(), parts, i).ok());
    }
    tags.merge(drain(*queue));
  }
  EXPECT_EQ(tags.size(), kWrites);
  EXPECT_EQ(std::set<std::uint64_t>(tags.begin(), tags.end()).size(), kWrites) << "every tag comes back once";
  ASSERT_TRUE(file->sync().ok());
  const std::string content = text_of("a");
  ASSERT_EQ(content.size(), kWrites * 4 * kPageBytes);
  for (std::size_t i = 0; i < content.size(); ++i) {
    ASSERT_EQ(static_cast<unsigned char>(content[i]), i / (4 * kPageBytes) + 1) << i;
  }
}

TEST_P(FileSystemContract, DestroyingAQueueWaitsForItsWrites) {
  const auto file = create("a", true);
  {
    const AlignedBuffer bytes = pages(64, 3);
    const auto queue = fs().write_queue(*file, 2).value();
    ASSERT_TRUE(queue->submit(0, {bytes.span()}, 1).ok());
    ASSERT_TRUE(queue->submit(bytes.capacity(), {bytes.span()}, 2).ok());
  }
  EXPECT_EQ(text_of("a"), std::string(128 * kPageBytes, '\3'));
}

TEST_P(FileSystemContract, AFailedWriteNamesFileAndOffsetAndTheQueueGoesOn) {
  write_text("a", "content");
  const auto reader = open("a", {});
  const auto queue = fs().write_queue(*reader, 2).value();
  ASSERT_TRUE(queue->submit(4096, {as_bytes("x")}, 1).ok());
  expect_error(queue->wait_one(), ErrorCode::io, "a at 4096");
  EXPECT_EQ(queue->in_flight(), 0U);
  ASSERT_TRUE(queue->submit(0, {}, 2).ok());
  EXPECT_EQ(queue->in_flight(), 1U) << "a failure must not break the queue";
}

TEST_P(FileSystemContract, MisuseOfAQueueIsRefused) {
  const auto file = create("a");
  EXPECT_FALSE(fs().write_queue(*file, 0).ok());
  const auto queue = fs().write_queue(*file, 1).value();
  EXPECT_FALSE(queue->wait_one().ok());
  ASSERT_TRUE(queue->submit(0, {as_bytes("x")}, 1).ok());
  EXPECT_FALSE(queue->submit(1, {as_bytes("y")}, 2).ok());
  EXPECT_THAT(drain(*queue), ElementsAre(1));
  SimFileSystem other;
  const auto foreign = other.open("x", {.write = true, .create = true}).value();
  EXPECT_FALSE(fs().write_queue(*foreign, 1).ok());
}

TEST_P(FileSystemContract, FoldersAreMadeListedAndRemoved) {
  ASSERT_TRUE(fs().create_directory(at("d")).ok());
  expect_error(fs().create_directory(at("d")), ErrorCode::already_exists, "d");
  expect_error(fs().create_directory(at("no/d")), ErrorCode::not_found, "no/d");
  for (const char* name : {"d/b", "d/a", "d/.hidden"}) write_text(name, "x");
  ASSERT_TRUE(fs().create_directory(at("d/c")).ok());
  EXPECT_THAT(fs().list_directory(at("d")).value(), ElementsAre(".hidden", "a", "b", "c"));
  EXPECT_TRUE(fs().info(at("d")).value().is_directory);
  expect_error(fs().remove_directory(at("d")), ErrorCode::already_exists, "d");
  for (const char* name : {"d/b", "d/a", "d/.hidden"}) ASSERT_TRUE(fs().remove_file(at(name)).ok());
  ASSERT_TRUE(fs().remove_directory(at("d/c")).ok());
  EXPECT_THAT(fs().list_directory(at("d")).value(), IsEmpty());
  ASSERT_TRUE(fs().sync_directory(at("d")).ok());
  ASSERT_TRUE(fs().remove_directory(at("d")).ok());
  expect_error(fs().list_directory(at("d")), ErrorCode::not_found, "d");
  expect_error(fs().sync_directory(at("d")), ErrorCode::not_found, "d");
}

TEST_P(FileSystemContract, RenamingReplaces) {
  write_text("a", "new");
  write_text("b", "old");
  ASSERT_TRUE(fs().rename(at("a"), at("b")).ok());
  EXPECT_EQ(text_of("b"), "new");
  expect_error(fs().info(at("a")), ErrorCode::not_found, "a");
  expect_error(fs().rename(at("a"), at("c")), ErrorCode::not_found, "a");
  ASSERT_TRUE(fs().create_directory(at("d")).ok());
  ASSERT_TRUE(fs().rename(at("b"), at("d/b")).ok());
  EXPECT_EQ(text_of("d/b"), "new");
  ASSERT_TRUE(fs().rename(at("d"), at("e")).ok());
  EXPECT_EQ(text_of("e/b"), "new");
  EXPECT_FALSE(fs().rename(at("e"), at("e/inside")).ok());
}

TEST_P(FileSystemContract, ALinkIsASecondName) {
  write_text("a", "one");
  ASSERT_TRUE(fs().link(at("a"), at("b")).ok());
  expect_error(fs().link(at("a"), at("b")), ErrorCode::already_exists, "b");
  expect_error(fs().link(at("no"), at("c")), ErrorCode::not_found, "no");
  ASSERT_TRUE(open("b", {.write = true})->write_at(0, as_bytes("two")).ok());
  EXPECT_EQ(text_of("a"), "two");
  ASSERT_TRUE(fs().remove_file(at("a")).ok());
  EXPECT_EQ(text_of("b"), "two");
}

TEST_P(FileSystemContract, ARemovedFileLivesOnForItsHandles) {
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("abc")).ok());
  ASSERT_TRUE(fs().remove_file(at("a")).ok());
  expect_error(fs().remove_file(at("a")), ErrorCode::not_found, "a");
  EXPECT_EQ(text_at(*file, 0, 3), "abc");
}

TEST_P(FileSystemContract, InfoAndSpaceAreTold) {
  write_text("a", "abc");
  EXPECT_EQ(fs().info(at("a")).value().size, 3U);
  EXPECT_FALSE(fs().info(at("a")).value().is_directory);
  expect_error(fs().info(at("no")), ErrorCode::not_found, "no");
  const SpaceInfo space = fs().space(at(".")).value();
  EXPECT_GT(space.available_bytes, 0U);
  EXPECT_LE(space.available_bytes, space.total_bytes);
  expect_error(fs().space(at("no")), ErrorCode::not_found, "no");
}

TEST_P(FileSystemContract, ASecondLockIsRefusedAndNamesTheHolder) {
  auto held = fs().lock(at("lock"));
  ASSERT_TRUE(held.ok()) << held.error().message;
  EXPECT_THAT(text_of("lock"), HasSubstr(std::to_string(::getpid())));
  expect_error(fs().lock(at("lock")), ErrorCode::held, std::to_string(::getpid()));
  expect_error(fs().lock(at("lock")), ErrorCode::held, at("lock"));
  held.value().reset();
  EXPECT_TRUE(fs().lock(at("lock")).ok());
  expect_error(fs().lock(at("no/lock")), ErrorCode::not_found, "no/lock");
}

TEST_P(FileSystemContract, ReplacingAFileLeavesNothingElseBehind) {
  ASSERT_TRUE(write_file_atomically(fs(), at("a"), as_bytes("first, and longer")).ok());
  ASSERT_TRUE(write_file_atomically(fs(), at("a"), as_bytes("second")).ok());
  EXPECT_EQ(text_of("a"), "second");
  ASSERT_TRUE(write_file_atomically(fs(), at("a"), {}).ok());
  EXPECT_EQ(text_of("a"), "");
  EXPECT_THAT(fs().list_directory(at("")).value(), ElementsAre("a"));
  ASSERT_TRUE(fs().create_directory(at("d")).ok());
  EXPECT_FALSE(write_file_atomically(fs(), at("d"), as_bytes("x")).ok());
  EXPECT_THAT(fs().list_directory(at("")).value(), ElementsAre("a", "d"));
}

TEST_P(FileSystemContract, ReadingAWholeFileIsBounded) {
  write_text("a", "12345");
  EXPECT_EQ(read_file(fs(), at("a"), 5).value().size(), 5U);
  expect_error(read_file(fs(), at("a"), 4), ErrorCode::resource_exhausted, "a");
  expect_error(read_file(fs(), at("no"), 4), ErrorCode::not_found, "no");
}

TEST_P(FileSystemContract, ThreadsShareAFile) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kRounds = 50;
  const auto file = create("a");
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string mine(100, static_cast<char>('a' + t));
      for (std::size_t i = 0; i < kRounds; ++i) {
        const std::uint64_t offset = (i * kThreads + t) * mine.size();
        EXPECT_TRUE(file->write_at(offset, as_bytes(mine)).ok());
        EXPECT_EQ(text_at(*file, offset, mine.size()), mine);
        EXPECT_TRUE(i % 10 != 0 || file->sync().ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(file->size().value(), kThreads * kRounds * 100);
}

INSTANTIATE_TEST_SUITE_P(Each, FileSystemContract,
                         ::testing::Values(Kind{.name = "Uring"}, Kind{.name = "Pwrite", .posix = {.io_uring = false}},
                                           Kind{.name = "Buffered", .posix = {.direct = false}},
                                           Kind{.name = "Tmpfs", .place = Place::tmpfs},
                                           Kind{.name = "Sim", .place = Place::sim},
                                           Kind{.name = "FaultOverPosix", .decorated = true},
                                           Kind{.name = "FaultOverSim", .place = Place::sim, .decorated = true}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace cairn::testing
