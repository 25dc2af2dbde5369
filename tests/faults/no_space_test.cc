// SPDX-License-Identifier: Apache-2.0
//
// A disk that runs full under an open store: what there is no room for fails and says so,
// everything else goes on, and so does writing once there is room, with the same handle.
#include <algorithm>

#include "engine/content/digester.h"
#include "tests/support/put_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";
constexpr std::uint64_t kRoomEnough = 1 * GiB;

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

class NoSpaceTest : public ::testing::Test {
 protected:
  // A store with room for what a segment and the index take, and `more`.
  Store open_with(std::uint64_t more) {
    EXPECT_TRUE(StoreImpl::create(fs_, kStore, kSmallStore).ok());
    fs_.set_capacity(kSmallStore.segment_bytes + 64 * KiB + more);
    return StoreImpl::handle(StoreImpl::open(fs_, kStore, {.threads = 2, .codec = Codec::none}, {}).value());
  }
  void expect_for_want_of_space(const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::no_space) << error.message << "\n" << fs_.trace();
    EXPECT_TRUE(error.retryable) << error.message;
  }

  SimFileSystem fs_;
};

// Several values at a time, so that a block, a manifest or the roots may be what does not fit.
TEST_F(NoSpaceTest, PutsFailAndGoOnWhenThereIsRoom) {
  const std::size_t fills = scaled(12, 60);
  std::size_t refused = 0, stored = 0;
  for (std::size_t fill = 0; fill < fills; ++fill) {
    fs_.power_loss(fill, Loss::keep_all);
    static_cast<void>(StoreImpl::destroy(fs_, kStore).ok());
    fs_.set_capacity(kRoomEnough);
    Store store = open_with(fill * 2 * kSmallStore.segment_bytes / fills);
    std::vector<std::vector<std::string>> values;
    std::vector<bool> there;
    const auto put = [&](std::size_t which) {
      std::vector<Put> puts;
      for (std::size_t i = 0; i < values[which].size(); ++i) {
        puts.push_back({.bytes = bytes_of(values[which][i]), .name = std::to_string(which) + "." + std::to_string(i)});
      }
      return store.put_many_async(std::move(puts));
    };
    std::vector<Ticket> tickets;
    for (std::size_t which = 0; which < 14; ++which) {
      const std::size_t large = (30 + 67 * (which % 5)) * KiB;
      values.push_back({random_bytes(large, 100 * fill + which), random_bytes(300, 5000 + which)});
      if (which % 3 == 0) values.back().pop_back();
      tickets.push_back(put(which));
      // Now and then nothing waits behind: a commit for each, and for several.
      if (which % 4 == 3) static_cast<void>(tickets.back().committed().wait().ok());
    }
    for (const Ticket& ticket : tickets) {
      const Status committed = ticket.committed().wait();
      there.push_back(committed.ok());
      ++(committed.ok() ? stored : refused);
      if (!committed.ok()) expect_for_want_of_space(committed.error());
      EXPECT_TRUE(ticket.staged().wait().ok()) << "memory is never kept";
    }
    // Reading goes on; what failed is not there.
    const auto expect_content = [&] {
      for (std::size_t which = 0; which < values.size(); ++which) {
        for (const std::string& value : values[which]) {
          const auto id = to_text(DigestKind::blake3, digest_of(DigestKind::blake3, bytes_of(value)));
          const auto content = store.get(id);
          ASSERT_EQ(content.ok(), there[which]) << which;
          ASSERT_TRUE(!content.ok() || std::ranges::equal(*content, bytes_of(value)));
        }
      }
    };
    expect_content();
    EXPECT_TRUE(store.sync().ok()) << "of nothing pending";
    // With room, the same values are taken by the same store.
    fs_.set_capacity(kRoomEnough);
    for (std::size_t which = 0; which < values.size(); ++which) {
      const Ticket again = put(which);
      const Status committed = again.committed().wait();
      ASSERT_TRUE(committed.ok()) << committed.error().message;
      there[which] = true;
    }
    expect_content();
    expect_whole(store);
    ASSERT_TRUE(store.close().ok());
    store = open_store(fs_, kStore);
    expect_content();
    expect_whole(store);
    ASSERT_TRUE(store.close().ok());
    // And by the log alone.
    ASSERT_TRUE(StoreImpl::rebuild_index(fs_, kStore, {}).ok());
    store = open_store(fs_, kStore);
    expect_content();
    expect_whole(store);
  }
  EXPECT_GT(refused, fills);
  EXPECT_GT(stored, fills);
}

TEST_F(NoSpaceTest, AnAddFailsAndIsRepeatedWithTheSameStore) {
  ScratchFolder inputs;
  const std::size_t fills = scaled(12, 60);
  std::size_t refused = 0;
  for (std::size_t fill = 0; fill < fills; ++fill) {
    fs_.power_loss(fill, Loss::keep_all);
    static_cast<void>(StoreImpl::destroy(fs_, kStore).ok());
    fs_.set_capacity(kRoomEnough);
    Store store = open_with(fill * 2 * kSmallStore.segment_bytes / fills);
    std::map<std::string, std::string> files;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string path = inputs.path().string() + "/" + std::to_string(i);
      write_file(path, random_bytes((300 + 150 * i) * KiB, 100 * fill + i));
      Status added;
      const auto add = [&] {
        const auto report = store.archive().add({path}, {.name = "it" + std::to_string(i)});
        added = report.ok() ? Status() : Status(report.error());
      };
      add();
      if (!added.ok()) {
        ++refused;
        expect_for_want_of_space(added.error());
        for (const auto& [name, content] : files) {
          const auto there = read_version(store, name);
          ASSERT_TRUE(there.ok()) << there.error().message;
          EXPECT_EQ(there->begin()->second, content);
        }
        EXPECT_FALSE(read_version(store, "it" + std::to_string(i)).ok());
        fs_.set_capacity(kRoomEnough);
        add();
        ASSERT_TRUE(added.ok()) << added.error().message;
        fs_.set_capacity(0);
      }
      files["it" + std::to_string(i)] = read_file(path);
    }
    fs_.set_capacity(kRoomEnough);
    expect_whole(store);
    ASSERT_TRUE(store.close().ok());
    store = open_store(fs_, kStore);
    for (const auto& [name, content] : files) EXPECT_EQ(read_version(store, name)->begin()->second, content);
    expect_whole(store);
  }
  EXPECT_GT(refused, fills / 4);
}

// Removing needs a record as well: it fails, changes nothing, and goes on.
TEST_F(NoSpaceTest, ARemovalFailsAndGoesOn) {
  Store store = open_with(MiB);
  const std::string value = random_bytes(1000, 1);
  const std::string id = store.put({.bytes = bytes_of(value)}).value();
  ASSERT_TRUE(store.close().ok());
  store = open_store(fs_, kStore);
  fs_.set_capacity(kSmallStore.segment_bytes / 2);
  const auto removed = store.remove(id);
  ASSERT_FALSE(removed.ok());
  expect_for_want_of_space(removed.error());
  EXPECT_TRUE(store.get(id).ok());
  fs_.set_capacity(kRoomEnough);
  EXPECT_TRUE(store.remove(id).value());
  EXPECT_FALSE(store.contains(id).value());
}

}  // namespace
}  // namespace cairn::testing
