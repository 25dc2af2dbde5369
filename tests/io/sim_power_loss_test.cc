// SPDX-License-Identifier: Apache-2.0
//
// What the simulated disk keeps and what it loses when its power is cut. Every other crash
// test rests on this: a disk that forgets too little finds no bugs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "engine/base/errors.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

constexpr std::uint64_t kSeeds = 300;
constexpr Loss kEveryLoss[] = {Loss::drop_unsynced, Loss::keep_prefix, Loss::reorder_sectors, Loss::reorder_everything,
                               Loss::keep_all};

class SimPowerLoss : public ::testing::Test {
 protected:
  std::unique_ptr<File> create(const std::string& path) {
    return fs.open(path, {.write = true, .create = true}).value();
  }
  void write_synced(const std::string& path, const std::string& text) {
    const auto file = create(path);
    ASSERT_TRUE(file->write_at(0, as_bytes(text)).ok());
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(fs.sync_directory("/").ok());
  }
  static std::string text_of(FileSystem& from, const std::string& path) {
    const auto content = read_file(from, path, 64 * MiB);
    return content.ok() ? std::string(as_text(*content)) : std::string(error_code_name(content.error().code));
  }
  // What the file holds after each of many power losses.
  std::set<std::string> outcomes(const std::string& path, Loss loss) {
    std::set<std::string> found;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) found.insert(text_of(*fs.survivor(seed, loss), path));
    return found;
  }
  // The folders' contents after each, names separated by spaces.
  std::set<std::string> listings(Loss loss) {
    std::set<std::string> found;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const std::vector<std::string> listed = fs.survivor(seed, loss)->list_directory("/").value();
      std::string names;
      for (const std::string& name : listed) names += name + " ";
      found.insert(names);
    }
    return found;
  }
  static std::string sector(char fill) { return std::string(kSectorBytes, fill); }

  SimFileSystem fs;
};

TEST_F(SimPowerLoss, SyncedBytesSurviveEveryLoss) {
  write_synced("a", "synced");
  for (const Loss loss : kEveryLoss) EXPECT_THAT(outcomes("a", loss), ElementsAre("synced"));
}

TEST_F(SimPowerLoss, UnsyncedBytesAreDroppedOrKeptAsAsked) {
  write_synced("a", "old");
  ASSERT_TRUE(create("a")->write_at(0, as_bytes("newer")).ok());
  EXPECT_THAT(outcomes("a", Loss::drop_unsynced), ElementsAre("old"));
  EXPECT_THAT(outcomes("a", Loss::keep_all), ElementsAre("newer"));
  EXPECT_EQ(text_of(fs, "a"), "newer") << "survivor() must leave the original alone";
  fs.power_loss(1, Loss::drop_unsynced);
  EXPECT_EQ(text_of(fs, "a"), "old");
}

TEST_F(SimPowerLoss, SectorsAreLostIndependently) {
  write_synced("a", sector('a') + sector('b') + sector('c'));
  ASSERT_TRUE(create("a")->write_at(0, as_bytes(sector('A') + sector('B') + sector('C'))).ok());
  const auto found = outcomes("a", Loss::reorder_sectors);
  EXPECT_EQ(found.size(), 8U) << "each of three sectors is old or new";
  EXPECT_TRUE(found.contains(sector('a') + sector('b') + sector('C'))) << "a later sector without an earlier one";
  for (const std::string& text : found) {
    ASSERT_EQ(text.size(), 3 * kSectorBytes);
    for (std::size_t i = 0; i < text.size(); ++i) ASSERT_EQ(text[i], text[i / kSectorBytes * kSectorBytes]);
  }
}

TEST_F(SimPowerLoss, ASectorIsFoundAtAnyOfItsVersionsAndNeverMixed) {
  write_synced("a", "0000");
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("1111")).ok());
  ASSERT_TRUE(file->write_at(2, as_bytes("22")).ok());
  EXPECT_THAT(outcomes("a", Loss::reorder_sectors), ElementsAre("0000", "1111", "1122"));
}

TEST_F(SimPowerLoss, AppendedBytesMayBeZerosOrShort) {
  write_synced("a", sector('a'));
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(kSectorBytes, as_bytes(sector('b'))).ok());
  ASSERT_TRUE(file->write_at(2 * kSectorBytes, as_bytes(sector('c'))).ok());
  EXPECT_THAT(outcomes("a", Loss::reorder_sectors),
              IsSupersetOf({sector('a'), sector('a') + sector('b'), sector('a') + sector('\0') + sector('c'),
                            sector('a') + sector('b') + sector('\0'), sector('a') + sector('b') + sector('c')}));
}

TEST_F(SimPowerLoss, APrefixIsKeptInOrderAcrossFilesAndTorn) {
  write_synced("a", "");
  write_synced("b", "");
  const auto a = create("a");
  const auto b = create("b");
  ASSERT_TRUE(a->write_at(0, as_bytes(sector('1') + sector('2'))).ok());
  ASSERT_TRUE(b->write_at(0, as_bytes("3")).ok());
  ASSERT_TRUE(a->write_at(2 * kSectorBytes, as_bytes("4")).ok());
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto after = fs.survivor(seed, Loss::keep_prefix);
    found.insert(text_of(*after, "a") + text_of(*after, "b"));
  }
  EXPECT_THAT(found, ElementsAre("", sector('1'), sector('1') + sector('2'), sector('1') + sector('2') + "3",
                                 sector('1') + sector('2') + "43"));
}

TEST_F(SimPowerLoss, ATruncationMayBeLost) {
  write_synced("a", "abcdef");
  const auto file = create("a");
  ASSERT_TRUE(file->truncate(2).ok());
  EXPECT_THAT(outcomes("a", Loss::drop_unsynced), ElementsAre("abcdef"));
  EXPECT_THAT(outcomes("a", Loss::reorder_sectors), ElementsAre("ab", "abcdef"));
  ASSERT_TRUE(file->write_at(2, as_bytes("xy")).ok());
  // What is written after the cut goes elsewhere on the disk: it is never seen in the
  // place of what was cut off.
  EXPECT_FALSE(outcomes("a", Loss::reorder_sectors).contains("abxyef"));
  ASSERT_TRUE(file->sync().ok());
  EXPECT_THAT(outcomes("a", Loss::reorder_sectors), ElementsAre("abxy"));
}

TEST_F(SimPowerLoss, ASyncedFileIsLostWithItsUnsyncedName) {
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("x")).ok());
  ASSERT_TRUE(file->sync().ok());
  EXPECT_THAT(outcomes("a", Loss::drop_unsynced), ElementsAre("not_found"));
  EXPECT_THAT(outcomes("a", Loss::reorder_sectors), ElementsAre("not_found", "x"));
  ASSERT_TRUE(fs.sync_directory("/").ok());
  for (const Loss loss : kEveryLoss) EXPECT_THAT(outcomes("a", loss), ElementsAre("x"));
}

TEST_F(SimPowerLoss, ANewFolderIsLostWithAllItHolds) {
  ASSERT_TRUE(fs.create_directory("d").ok());
  ASSERT_TRUE(create("d/a")->sync().ok());
  ASSERT_TRUE(fs.sync_directory("d").ok());
  EXPECT_THAT(outcomes("d/a", Loss::drop_unsynced), ElementsAre("not_found"));
  ASSERT_TRUE(fs.sync_directory("/").ok());
  EXPECT_THAT(outcomes("d/a", Loss::drop_unsynced), ElementsAre(""));
}

TEST_F(SimPowerLoss, ARemovedFileMayComeBack) {
  write_synced("a", "x");
  ASSERT_TRUE(fs.remove_file("a").ok());
  EXPECT_THAT(outcomes("a", Loss::reorder_sectors), ElementsAre("not_found", "x"));
  ASSERT_TRUE(fs.sync_directory("/").ok());
  EXPECT_THAT(outcomes("a", Loss::reorder_sectors), ElementsAre("not_found"));
}

TEST_F(SimPowerLoss, ARenameIsDoneOrNotButNeverHalf) {
  write_synced("a", "new");
  write_synced("b", "old");
  ASSERT_TRUE(fs.rename("a", "b").ok());
  for (const Loss loss : {Loss::keep_prefix, Loss::reorder_sectors, Loss::reorder_everything}) {
    EXPECT_THAT(listings(loss), ElementsAre("a b ", "b "));
    EXPECT_THAT(outcomes("b", loss), ElementsAre("new", "old"));
  }
  EXPECT_THAT(outcomes("b", Loss::drop_unsynced), ElementsAre("old"));
}

TEST_F(SimPowerLoss, AMoveBetweenFoldersIsOneStep) {
  ASSERT_TRUE(fs.create_directory("d").ok());
  write_synced("a", "x");
  ASSERT_TRUE(fs.rename("a", "d/a").ok());
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto after = fs.survivor(seed, Loss::reorder_everything);
    EXPECT_NE(after->info("a").ok(), after->info("d/a").ok()) << "seed " << seed;
  }
  ASSERT_TRUE(fs.sync_directory("d").ok());
  EXPECT_THAT(outcomes("a", Loss::drop_unsynced), ElementsAre("not_found"));
  EXPECT_THAT(outcomes("d/a", Loss::drop_unsynced), ElementsAre("x"));
}

TEST_F(SimPowerLoss, FolderChangesKeepTheirOrderUnlessAllIsReordered) {
  for (const char* name : {"1", "2", "3"}) create(name);
  EXPECT_THAT(listings(Loss::reorder_sectors), ElementsAre("", "1 ", "1 2 ", "1 2 3 "));
  EXPECT_THAT(listings(Loss::keep_prefix), ElementsAre("", "1 ", "1 2 ", "1 2 3 "));
  EXPECT_THAT(listings(Loss::reorder_everything), ElementsAre("", "1 ", "1 2 ", "1 2 3 ", "1 3 ", "2 ", "2 3 ", "3 "));
}

TEST_F(SimPowerLoss, BothNamesOfALinkedFileSurviveAsOneFile) {
  write_synced("a", "one");
  ASSERT_TRUE(fs.link("a", "b").ok());
  ASSERT_TRUE(fs.sync_directory("/").ok());
  fs.power_loss(1, Loss::drop_unsynced);
  ASSERT_TRUE(create("a")->write_at(0, as_bytes("two")).ok());
  EXPECT_EQ(text_of(fs, "b"), "two");
}

TEST_F(SimPowerLoss, AFailedSyncLosesItsWritesForGoodThoughReadsShowThem) {
  write_synced("a", "old");
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("new")).ok());
  fs.fail_at(1, make_error(ErrorCode::io, "injected"), Repeat::once);
  EXPECT_FALSE(file->sync().ok());
  EXPECT_TRUE(file->sync().ok()) << "the second sync lies, as on Linux";
  EXPECT_EQ(text_of(fs, "a"), "new");
  for (const Loss loss : kEveryLoss) EXPECT_THAT(outcomes("a", loss), ElementsAre("old"));
}

TEST_F(SimPowerLoss, NoSyncCoversAWriteInFlight) {
  write_synced("a", "old");
  const auto file = create("a");
  const auto queue = fs.write_queue(*file, 2).value();
  ASSERT_TRUE(queue->submit(0, {as_bytes("new")}, 1).ok());
  ASSERT_TRUE(file->sync().ok());
  EXPECT_THAT(outcomes("a", Loss::drop_unsynced), ElementsAre("old"));
  EXPECT_THAT(outcomes("a", Loss::reorder_sectors), ElementsAre("new", "old"));
  ASSERT_TRUE(queue->wait_one().ok());
  ASSERT_TRUE(file->sync().ok());
  EXPECT_THAT(outcomes("a", Loss::drop_unsynced), ElementsAre("new"));
}

TEST_F(SimPowerLoss, TheSameSeedFindsTheSameDisk) {
  for (char c = 'a'; c < 'e'; ++c) {
    ASSERT_TRUE(create(std::string(1, c))->write_at(100, as_bytes(sector(c) + sector(c))).ok());
  }
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto first = fs.survivor(seed, Loss::reorder_everything);
    const auto second = fs.survivor(seed, Loss::reorder_everything);
    const std::vector<std::string> names = first->list_directory("/").value();
    ASSERT_EQ(names, second->list_directory("/").value());
    for (const std::string& name : names) {
      ASSERT_EQ(text_of(*first, name), text_of(*second, name));
    }
  }
}

TEST_F(SimPowerLoss, AfterTheCrashEveryCallFailsUntilThePowerIsBack) {
  write_synced("a", "old");
  const auto file = create("a");
  const auto lock = fs.lock("lock").value();
  fs.crash_at(2);
  ASSERT_TRUE(file->write_at(0, as_bytes("1")).ok());
  EXPECT_FALSE(fs.crashed());
  EXPECT_FALSE(file->write_at(1, as_bytes("2")).ok());
  EXPECT_TRUE(fs.crashed());
  EXPECT_FALSE(file->sync().ok());
  EXPECT_FALSE(file->size().ok());
  EXPECT_FALSE(fs.list_directory("/").ok());
  EXPECT_FALSE(fs.remove_file("a").ok());
  fs.power_loss(1, Loss::keep_all);
  EXPECT_EQ(text_of(fs, "a"), "12d") << "the call in which the power went may have been done";
  const auto dead = file->size();
  ASSERT_FALSE(dead.ok());
  EXPECT_THAT(dead.error().message, HasSubstr("before the simulated power loss"));
  EXPECT_TRUE(fs.create_directory("d").ok());
  EXPECT_FALSE(fs.crashed());
}

TEST_F(SimPowerLoss, LocksEndWithThePower) {
  const auto lock = fs.lock("lock").value();
  ASSERT_TRUE(fs.sync_directory("/").ok());
  fs.power_loss(1, Loss::drop_unsynced);
  EXPECT_TRUE(fs.lock("lock").ok());
}

TEST_F(SimPowerLoss, ASyncCutShortByTheCrashPromisesNothing) {
  write_synced("a", "old");
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("new")).ok());
  fs.crash_at(1);
  EXPECT_FALSE(file->sync().ok());
  EXPECT_THAT(outcomes("a", Loss::drop_unsynced), ElementsAre("old"));
  EXPECT_THAT(outcomes("a", Loss::reorder_sectors), ElementsAre("new", "old"));
}

// Crashes at every call of replacing a file; returns what was ever found under its name.
template <class Replace>
std::set<std::string> found_after_crashes(const Replace& replace) {
  std::set<std::string> found;
  for (std::uint64_t crash_at = 1;; ++crash_at) {
    SimFileSystem fs;
    EXPECT_TRUE(write_file_atomically(fs, "/a", as_bytes(std::string(3000, 'o'))).ok());
    fs.crash_at(crash_at);
    const Status status = replace(fs);
    for (const Loss loss : kEveryLoss) {
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto after = fs.survivor(seed, loss);
        const auto content = read_file(*after, "/a", MiB);
        found.insert(content.ok() ? std::string(as_text(*content)) : content.error().message);
        EXPECT_TRUE(!status.ok() || content.ok());
        EXPECT_TRUE(!status.ok() || found.contains(std::string(4000, 'n')));
      }
    }
    if (!fs.crashed()) return found;
  }
}

TEST(WriteFileAtomically, LeavesTheOldOrTheNewWhereverThePowerGoes) {
  const std::string fresh(4000, 'n');
  EXPECT_THAT(found_after_crashes([&](FileSystem& fs) { return write_file_atomically(fs, "/a", as_bytes(fresh)); }),
              ElementsAre(fresh, std::string(3000, 'o')));
}

TEST(WriteFileAtomically, WouldBeCaughtWithoutItsSync) {
  const std::string fresh(4000, 'n');
  const auto found = found_after_crashes([&](FileSystem& fs) -> Status {
    {
      CAIRN_TRY(const auto file, fs.open("/a.tmp", {.write = true, .create = true, .truncate = true}));
      CAIRN_CHECK(file->write_at(0, as_bytes(fresh)));
    }
    CAIRN_CHECK(fs.rename("/a.tmp", "/a"));
    return fs.sync_directory("/");
  });
  EXPECT_GT(found.size(), 2U) << "a name that leads to unsynced bytes must be found out";
}

}  // namespace
}  // namespace cairn::testing
