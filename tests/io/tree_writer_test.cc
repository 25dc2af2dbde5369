// SPDX-License-Identifier: Apache-2.0
//
// A restored tree must be what was asked for, and nothing may be written outside the folder
// whatever the names in the archive or the links on the disk. Every test runs with openat2
// and with the way that older kernels need.
#include "engine/io/tree_writer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/support/scratch_folder.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

class TreeWriterTest : public ::testing::TestWithParam<bool> {
 protected:
  TreeWriterTest() {
    fs::create_directories(outside());
    std::ofstream(outside() + "/precious") << "precious";
  }
  std::string to() const { return scratch_ / "to"; }
  std::string outside() const { return scratch_ / "outside"; }

  TreeWriter writer(bool overwrite = false) {
    auto opened = TreeWriter::open(to(), overwrite, GetParam());
    EXPECT_TRUE(opened.ok());
    return std::move(opened).value();
  }
  static Status put(TreeWriter& writer, const std::string& path, const std::string& content, std::uint32_t mode = 0644,
                    std::int64_t mtime_ns = 0) {
    CAIRN_TRY(const auto file, writer.create_file(path, content.size()));
    CAIRN_CHECK(file->write_at(0, as_bytes(content)));
    return file->commit(mode, mtime_ns);
  }
  std::string content(const std::string& path) const {
    std::ifstream in(to() + "/" + path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  struct stat look(const std::string& path) const {
    struct stat info {};
    EXPECT_EQ(::lstat((to() + "/" + path).c_str(), &info), 0) << path;
    return info;
  }
  void expect_outside_untouched() const {
    std::ifstream in(outside() + "/precious");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "precious");
    EXPECT_EQ(std::distance(fs::directory_iterator(outside()), {}), 1);
  }
  void expect_no_temporaries() const {
    for (const auto& entry : fs::recursive_directory_iterator(to())) {
      EXPECT_EQ(entry.path().filename().string().rfind(".cairn-", 0), std::string::npos) << entry.path();
    }
  }

  testing::ScratchFolder scratch_;
};

INSTANTIATE_TEST_SUITE_P(Resolution, TreeWriterTest, ::testing::Values(true, false),
                         [](const auto& run) { return run.param ? "openat2" : "by_component"; });

TEST_P(TreeWriterTest, RestoresFilesFoldersAndLinksWithModesAndTimes) {
  TreeWriter tree = writer();
  ASSERT_TRUE(tree.make_directory("model", 0555, 1'000'000'000).ok());
  ASSERT_TRUE(tree.make_directory("model/part", 02750, -1'500'000'000).ok());
  ASSERT_TRUE(put(tree, "model/part/weights", "abc", 06751, 123'456'789'012).ok());
  ASSERT_TRUE(tree.make_symlink("model/latest", "part/weights", 5'000'000'001).ok());
  ASSERT_TRUE(tree.finish().ok());

  EXPECT_EQ(content("model/part/weights"), "abc");
  EXPECT_EQ(look("model/part/weights").st_mode & 07777, 06751U);
  EXPECT_EQ(look("model/part/weights").st_mtim.tv_sec, 123);
  EXPECT_EQ(look("model/part/weights").st_mtim.tv_nsec, 456'789'012);
  EXPECT_EQ(look("model").st_mode & 07777, 0555U);
  EXPECT_EQ(look("model").st_mtim.tv_sec, 1);
  EXPECT_EQ(look("model/part").st_mode & 07777, 02750U);
  EXPECT_EQ(look("model/part").st_mtim.tv_sec, -2);
  EXPECT_EQ(look("model/part").st_mtim.tv_nsec, 500'000'000);
  EXPECT_EQ(fs::read_symlink(to() + "/model/latest"), "part/weights");
  EXPECT_EQ(look("model/latest").st_mtim.tv_nsec, 1);
  expect_no_temporaries();
  fs::permissions(to() + "/model", fs::perms::owner_all);
}

TEST_P(TreeWriterTest, CreatesMissingParentsInAnyOrder) {
  TreeWriter tree = writer();
  ASSERT_TRUE(put(tree, "a/b/c/file", "deep").ok());
  ASSERT_TRUE(tree.make_directory("a/b", 0700, 7'000'000'000).ok());
  ASSERT_TRUE(tree.finish().ok());
  EXPECT_EQ(content("a/b/c/file"), "deep");
  EXPECT_EQ(look("a/b").st_mode & 07777, 0700U);
  EXPECT_EQ(look("a/b").st_mtim.tv_sec, 7);
}

TEST_P(TreeWriterTest, WritesInAnyOrderFromSeveralThreads) {
  TreeWriter tree = writer();
  auto file = tree.create_file("file", 400'000);
  ASSERT_TRUE(file.ok());
  std::vector<std::thread> threads;
  for (int part = 3; part >= 0; --part) {
    threads.emplace_back([&, part] {
      const std::string bytes(100'000, static_cast<char>('a' + part));
      EXPECT_TRUE((*file)->write_at(static_cast<std::uint64_t>(part) * 100'000, as_bytes(bytes)).ok());
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE((*file)->commit(0600, 0).ok());
  EXPECT_EQ(content("file"), std::string(100'000, 'a') + std::string(100'000, 'b') + std::string(100'000, 'c') +
                                 std::string(100'000, 'd'));
}

TEST_P(TreeWriterTest, AFileIsNotThereBeforeItIsCommitted) {
  TreeWriter tree = writer();
  {
    auto file = tree.create_file("file", 3);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->write_at(0, as_bytes("abc")).ok());
    EXPECT_FALSE(fs::exists(to() + "/file"));
  }
  EXPECT_TRUE(fs::is_empty(to())) << "the temporary outlived its file";
}

TEST_P(TreeWriterTest, AFileHasTheSizeItWasGiven) {
  TreeWriter tree = writer();
  auto file = tree.create_file("file", 10);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write_at(4, as_bytes("ab")).ok());
  EXPECT_FALSE((*file)->write_at(9, as_bytes("ab")).ok());
  EXPECT_FALSE((*file)->write_at(~std::uint64_t{0}, as_bytes("ab")).ok());
  ASSERT_TRUE((*file)->commit(0600, 0).ok());
  EXPECT_EQ(content("file"), (std::string{"\0\0\0\0ab\0\0\0\0", 10}));
  EXPECT_FALSE((*file)->commit(0600, 0).ok());
}

TEST_P(TreeWriterTest, KeepsWhatExistsUnlessToldToOverwrite) {
  {
    TreeWriter tree = writer();
    ASSERT_TRUE(put(tree, "file", "old").ok());
    ASSERT_TRUE(tree.make_symlink("link", "old", 0).ok());
    EXPECT_EQ(put(tree, "file", "new").error().code, ErrorCode::already_exists);
    EXPECT_EQ(tree.make_symlink("link", "new", 0).error().code, ErrorCode::already_exists);
    EXPECT_EQ(put(tree, "link", "new").error().code, ErrorCode::already_exists);
  }
  EXPECT_EQ(content("file"), "old");
  TreeWriter tree = writer(true);
  ASSERT_TRUE(put(tree, "file", "new").ok());
  ASSERT_TRUE(tree.make_symlink("link", "new", 0).ok());
  EXPECT_EQ(content("file"), "new");
  EXPECT_EQ(fs::read_symlink(to() + "/link"), "new");
  expect_no_temporaries();
}

TEST_P(TreeWriterTest, AFileThatAppearsBeforeTheCommitIsKept) {
  TreeWriter tree = writer();
  auto file = tree.create_file("file", 3);
  ASSERT_TRUE(file.ok());
  std::ofstream(to() + "/file") << "theirs";
  EXPECT_EQ((*file)->commit(0600, 0).error().code, ErrorCode::already_exists);
  file->reset();
  EXPECT_EQ(content("file"), "theirs");
  expect_no_temporaries();
}

TEST_P(TreeWriterTest, RefusesPathsThatLeaveTheFolder) {
  TreeWriter tree = writer(true);
  for (const std::string& path :
       {std::string(".."), std::string("../outside/precious"), std::string("a/../../outside/x"), std::string("a/.."),
        std::string("."), std::string("./a"), std::string("a/./b"), std::string("/etc/cairn"), outside() + "/precious",
        std::string(""), std::string("a//b"), std::string("a/"), std::string("a\0b", 3)}) {
    EXPECT_EQ(put(tree, path, "evil").error().code, ErrorCode::invalid_argument) << path;
    EXPECT_EQ(tree.make_directory(path, 0777, 0).error().code, ErrorCode::invalid_argument) << path;
    EXPECT_EQ(tree.make_symlink(path, "x", 0).error().code, ErrorCode::invalid_argument) << path;
  }
  ASSERT_TRUE(tree.finish().ok());
  EXPECT_TRUE(fs::is_empty(to()));
  expect_outside_untouched();
}

TEST_P(TreeWriterTest, WritesNothingThroughALinkInAParentsPlace) {
  TreeWriter tree = writer(true);
  fs::create_directory(to() + "/inside");
  fs::create_symlink("../outside", to() + "/relative");
  fs::create_symlink(outside(), to() + "/absolute");
  fs::create_symlink("inside", to() + "/harmless");
  for (const std::string parent : {"relative", "absolute", "harmless"}) {
    EXPECT_FALSE(put(tree, parent + "/precious", "evil").ok()) << parent;
    EXPECT_FALSE(put(tree, parent + "/new/deeper", "evil").ok()) << parent;
    EXPECT_FALSE(tree.make_directory(parent + "/folder", 0777, 0).ok()) << parent;
    EXPECT_FALSE(tree.make_directory(parent, 0777, 0).ok()) << parent;
    EXPECT_FALSE(tree.make_symlink(parent + "/link", "x", 0).ok()) << parent;
  }
  ASSERT_TRUE(tree.finish().ok());
  EXPECT_TRUE(fs::is_empty(to() + "/inside"));
  expect_outside_untouched();
}

TEST_P(TreeWriterTest, ALinkThatTheTreeItselfPlantsIsNotFollowed) {
  TreeWriter tree = writer(true);
  ASSERT_TRUE(tree.make_symlink("planted", outside(), 0).ok());
  EXPECT_FALSE(put(tree, "planted/precious", "evil").ok());
  // A folder swapped for a link between its creation and finish() keeps finish() inside.
  ASSERT_TRUE(tree.make_directory("swapped", 0700, 0).ok());
  fs::remove(to() + "/swapped");
  fs::create_symlink(outside(), to() + "/swapped");
  const auto before = fs::status(outside()).permissions();
  EXPECT_FALSE(tree.finish().ok());
  EXPECT_EQ(fs::status(outside()).permissions(), before);
  expect_outside_untouched();
}

TEST_P(TreeWriterTest, ALinkInAFilesPlaceIsReplacedNotFollowed) {
  TreeWriter tree = writer(true);
  fs::create_symlink("../outside/precious", to() + "/file");
  ASSERT_TRUE(put(tree, "file", "mine").ok());
  EXPECT_TRUE(S_ISREG(look("file").st_mode));
  EXPECT_EQ(content("file"), "mine");
  expect_outside_untouched();
}

TEST_P(TreeWriterTest, AFolderIsNeverReplacedNorAFileByAFolder) {
  TreeWriter tree = writer(true);
  ASSERT_TRUE(put(tree, "file", "kept").ok());
  ASSERT_TRUE(put(tree, "folder/inner", "kept").ok());
  EXPECT_EQ(tree.make_directory("file", 0700, 0).error().code, ErrorCode::already_exists);
  EXPECT_EQ(put(tree, "file/below", "x").error().code, ErrorCode::already_exists);
  EXPECT_EQ(put(tree, "folder", "x").error().code, ErrorCode::already_exists);
  EXPECT_EQ(tree.make_symlink("folder", "x", 0).error().code, ErrorCode::already_exists);
  EXPECT_EQ(content("file"), "kept");
  EXPECT_EQ(content("folder/inner"), "kept");
}

TEST_P(TreeWriterTest, RestoresAgainIntoFoldersThatDenyWriting) {
  for (const bool overwrite : {false, true}) {
    TreeWriter tree = writer(overwrite);
    ASSERT_TRUE(tree.make_directory("closed", 0100, 0).ok());
    ASSERT_TRUE(put(tree, "closed/file", "content").ok());
    ASSERT_TRUE(tree.finish().ok());
    EXPECT_EQ(look("closed").st_mode & 07777, 0100U);
  }
  fs::permissions(to() + "/closed", fs::perms::owner_all);
}

TEST_P(TreeWriterTest, AnImpossibleSizeIsRefusedBeforeWriting) {
  TreeWriter tree = writer();
  EXPECT_FALSE(tree.create_file("file", ~std::uint64_t{0}).ok());
  EXPECT_FALSE(tree.create_file("file", std::uint64_t{1} << 62).ok());
  EXPECT_TRUE(fs::is_empty(to()));
}

TEST_P(TreeWriterTest, TheFolderItselfMayBeReachedThroughALinkAndIsCreated) {
  fs::create_symlink("outside", scratch_ / "via");
  auto tree = TreeWriter::open(scratch_ / "via/new/deep", false, GetParam());
  ASSERT_TRUE(tree.ok());
  ASSERT_TRUE(put(*tree, "file", "x").ok());
  EXPECT_TRUE(fs::exists(outside() + "/new/deep/file"));
  EXPECT_FALSE(TreeWriter::open(outside() + "/precious", false, GetParam()).ok());
}

}  // namespace
}  // namespace cairn
