// SPDX-License-Identifier: Apache-2.0
//
// Readers beside a writer, as other processes have them: they see what is committed, at
// once, and across the writer's restarts.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "cairn/store.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

std::vector<std::byte> value_of(unsigned number) {
  std::mt19937_64 random(number);
  std::vector<std::byte> value(3000 + number % 7 * 40'000);
  for (auto& byte : value) byte = static_cast<std::byte>(random());
  return value;
}

class LiveReaderTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_.path().string() + "/store"; }
  // Segments of 1 MiB: many are sealed on the way.
  Store open_writer() {
    return Store::open(path(), {.mode = OpenMode::create, .create = {.block_bytes = 65536, .segment_bytes = 1 << 20}})
        .value();
  }
  Store open_reader() { return Store::open(path(), {.access = Access::read_only}).value(); }

  ScratchFolder folder_;
};

TEST_F(LiveReaderTest, WhatIsCommittedIsSeenAtOnceAndAcrossRestarts) {
  Store writer = open_writer();
  Store reader = open_reader();
  std::vector<std::string> ids;
  for (unsigned i = 0; i < 100; ++i) {
    ids.push_back(writer.put({.bytes = value_of(i)}).value());
    ASSERT_EQ(reader.get(ids.back()).value(), value_of(i)) << i;
    if (i % 30 == 29) {
      ASSERT_TRUE(writer.remove(ids[i]).value());
      ASSERT_FALSE(reader.contains(ids[i]).value());
      ASSERT_TRUE(writer.close().ok());
      ASSERT_EQ(reader.get(ids[i - 1]).value(), value_of(i - 1));
      writer = open_writer();
    }
  }
  EXPECT_EQ(reader.list().value().objects.size(), 97u);
  EXPECT_GT(reader.stats().value().segments, 5u);
  // One that opens now sees the same.
  EXPECT_EQ(open_reader().list().value().objects.size(), 97u);
}

TEST_F(LiveReaderTest, NamesOfArchivesAppear) {
  Store writer = open_writer();
  Store reader = open_reader();
  EXPECT_TRUE(reader.archive().list().value().empty());
  std::ofstream(folder_.path().string() + "/file") << "content";
  ASSERT_TRUE(writer.archive().add({folder_.path().string() + "/file"}, {.name = "n"}).ok());
  EXPECT_EQ(reader.archive().resolve("n").value().version, 1u);
  EXPECT_EQ(reader.archive().list().value().size(), 1u);
}

TEST_F(LiveReaderTest, ReadersBesideAWriterAtFullSpeedNeverFail) {
  constexpr unsigned kValues = 400, kReaders = 3;
  Store writer = open_writer();
  std::vector<std::string> ids(kValues);
  std::atomic<unsigned> committed = 0, failures = 0;
  std::vector<std::thread> readers;
  for (unsigned r = 0; r < kReaders; ++r) {
    readers.emplace_back([&, r] {
      Store reader = open_reader();
      for (unsigned turn = r; committed < kValues; turn += 7) {
        const unsigned seen = committed;
        if (seen == 0) continue;
        // Anything that was committed before the call is there, and is what was put.
        const unsigned which = turn % seen;
        const auto value = reader.get(ids[which]);
        if (!value.ok() || *value != value_of(which)) {
          ++failures;
          ADD_FAILURE() << "value " << which << ": " << (value.ok() ? "other bytes" : value.error().message);
        }
        if (turn % 50 == 0) reader = open_reader();
      }
    });
  }
  for (unsigned i = 0; i < kValues; ++i) {
    ids[i] = writer.put({.bytes = value_of(i)}).value();
    committed = i + 1;
    if (i % 100 == 99) {
      ASSERT_TRUE(writer.close().ok());
      writer = open_writer();
    }
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(failures, 0u);
}

TEST_F(LiveReaderTest, ADamagedHintIsNoErrorAndOnlyDelays) {
  Store writer = open_writer();
  const std::string first = writer.put({.bytes = value_of(1)}).value();
  for (const char* content : {"", "rubbish", "0123456789012345678901234567890123456789"}) {
    std::ofstream(path() + "/log/live", std::ios::trunc) << content;
    Store reader = open_reader();
    EXPECT_EQ(reader.get(first).value(), value_of(1));
    EXPECT_TRUE(writer.put({.bytes = value_of(3)}).ok());
    EXPECT_EQ(reader.get(first).value(), value_of(1));
  }
  Store reader = open_reader();
  const std::string second = writer.put({.bytes = value_of(2)}).value();
  EXPECT_EQ(reader.get(second).value(), value_of(2));
}

}  // namespace
}  // namespace cairn::testing
