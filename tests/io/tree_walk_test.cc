// SPDX-License-Identifier: Apache-2.0
//
// The walk must give a tree's entries in the order of a TreeManifest, follow no link, and
// turn whatever it cannot read into problems; InputFile must notice a file that changes.
#include "engine/io/tree_walk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"
#include "tests/support/scratch_folder.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

class TreeWalkTest : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& content = "x") {
    fs::create_directories(fs::path(scratch_ / path).parent_path());
    std::ofstream(scratch_ / path, std::ios::binary) << content;
  }
  // Walks a path below the scratch folder; the visited paths are in visited_.
  Status walk(const std::string& path) {
    return walk_tree(
        scratch_ / path,
        [&](const WalkedEntry& entry) -> Status {
          entries_.push_back(entry);
          visited_.push_back(entry.relative_path);
          return {};
        },
        [&](const std::string& where, const Error& error) {
          EXPECT_FALSE(error.message.empty());
          problems_.push_back(where);
        });
  }

  testing::ScratchFolder scratch_;
  std::vector<WalkedEntry> entries_;
  std::vector<std::string> visited_, problems_;
};

TEST_F(TreeWalkTest, VisitsInBytewiseOrderOfTheWholePath) {
  for (const char* path : {"root/a/z", "root/a.b/y", "root/a.b.c", "root/a.txt", "root/a0", "root/ab/c", "root/B",
                           "root/a/\xC3\xA9", "root/a!"}) {
    write(path);
  }
  ASSERT_TRUE(walk("root").ok());
  ASSERT_EQ(visited_.size(), 13U);  // nine files and the folders root, a, a.b, ab
  EXPECT_TRUE(std::is_sorted(visited_.begin(), visited_.end()));
  EXPECT_EQ(visited_.front(), "root");
  EXPECT_LT(std::find(visited_.begin(), visited_.end(), "root/a.txt"),
            std::find(visited_.begin(), visited_.end(), "root/a/z"));
  EXPECT_TRUE(problems_.empty());
}

TEST_F(TreeWalkTest, NamesAFileByItsBaseName) {
  write("deep/model.bin", "12345");
  ASSERT_TRUE(walk("deep/model.bin").ok());
  ASSERT_EQ(entries_.size(), 1U);
  EXPECT_EQ(entries_[0].relative_path, "model.bin");
  EXPECT_EQ(entries_[0].kind, WalkedKind::file);
  EXPECT_EQ(entries_[0].identity.size, 5U);
}

TEST_F(TreeWalkTest, ARootThatEndsInASlashOrDotHasItsRealName) {
  write("folder/inner/file");
  for (const char* root : {"folder/", "folder/.", "folder/inner/..", "folder//"}) {
    visited_.clear();
    ASSERT_TRUE(walk(root).ok()) << root;
    EXPECT_EQ(visited_, (std::vector<std::string>{"folder", "folder/inner", "folder/inner/file"})) << root;
  }
}

TEST_F(TreeWalkTest, TheRootOfTheFileSystemHasNoName) {
  const Status status = walk_tree(
      "/", [](const WalkedEntry&) -> Status { return {}; }, [](const auto&, const auto&) {});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
}

TEST_F(TreeWalkTest, LinksAreVisitedAndNeverFollowed) {
  write("outside/secret");
  write("root/file");
  fs::create_symlink("../outside", scratch_ / "root/to_folder");
  fs::create_symlink("nowhere", scratch_ / "root/dangling");
  fs::create_symlink(".", scratch_ / "root/loop");
  ASSERT_TRUE(walk("root").ok());
  EXPECT_EQ(visited_, (std::vector<std::string>{"root", "root/dangling", "root/file", "root/loop", "root/to_folder"}));
  EXPECT_EQ(entries_[1].link_target, "nowhere");
  EXPECT_EQ(entries_[4].kind, WalkedKind::symlink);
  EXPECT_EQ(entries_[4].link_target, "../outside");
}

TEST_F(TreeWalkTest, ALinkAsRootIsALink) {
  write("folder/file");
  fs::create_symlink("folder", scratch_ / "link");
  ASSERT_TRUE(walk("link").ok());
  EXPECT_EQ(visited_, std::vector<std::string>{"link"});
}

TEST_F(TreeWalkTest, ReportsModesAndTimes) {
  write("file");
  ASSERT_EQ(::chmod((scratch_ / "file").c_str(), 04751), 0);
  const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 2}, {.tv_sec = -5, .tv_nsec = 250}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (scratch_ / "file").c_str(), times, 0), 0);
  ASSERT_TRUE(walk("file").ok());
  EXPECT_EQ(entries_.at(0).mode, 04751U);
  EXPECT_EQ(entries_.at(0).identity.mtime_ns, -5'000'000'000 + 250);
}

TEST_F(TreeWalkTest, AMissingRootIsAProblem) {
  ASSERT_TRUE(walk("missing").ok());
  EXPECT_TRUE(visited_.empty());
  EXPECT_EQ(problems_, std::vector<std::string>{scratch_ / "missing"});
}

TEST_F(TreeWalkTest, AFifoIsAProblemAndTheRestIsVisited) {
  write("root/a");
  write("root/z");
  ASSERT_EQ(::mkfifo((scratch_ / "root/fifo").c_str(), 0600), 0);
  ASSERT_TRUE(walk("root").ok());
  EXPECT_EQ(visited_, (std::vector<std::string>{"root", "root/a", "root/z"}));
  EXPECT_EQ(problems_, std::vector<std::string>{scratch_ / "root/fifo"});
}

TEST_F(TreeWalkTest, AFolderThatCannotBeListedIsVisitedAndAProblem) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may list every folder";
  write("root/closed/file");
  write("root/open");
  fs::permissions(scratch_ / "root/closed", fs::perms::none);
  const Status status = walk("root");
  fs::permissions(scratch_ / "root/closed", fs::perms::owner_all);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(visited_, (std::vector<std::string>{"root", "root/closed", "root/open"}));
  EXPECT_EQ(problems_, std::vector<std::string>{scratch_ / "root/closed"});
}

TEST_F(TreeWalkTest, AVisitorsErrorEndsTheWalk) {
  write("root/a/b");
  write("root/c");
  int visits = 0;
  const Status status = walk_tree(
      scratch_ / "root",
      [&](const WalkedEntry&) -> Status {
        if (++visits == 2) return make_error(ErrorCode::cancelled, "enough");
        return {};
      },
      [](const auto&, const auto&) {});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::cancelled);
  EXPECT_EQ(visits, 2);
}

TEST_F(TreeWalkTest, InputFileReadsAnyRange) {
  write("file", "0123456789");
  auto file = InputFile::open(scratch_ / "file");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->size(), 10U);
  std::byte buffer[4];
  ASSERT_TRUE((*file)->read_at(3, buffer).ok());
  EXPECT_EQ(as_text(buffer), "3456");
  ASSERT_TRUE((*file)->read_at(10, {}).ok());
}

// Whole pages around the range are read where the file system does that, and nothing else
// where not; the bytes are the same, up to an end that is no page's.
TEST_F(TreeWalkTest, InputFileReadsAnyRangeAroundThePageCache) {
  std::string content(3 * kPageBytes + 100, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 + i / 251);
  write("file", content);
  const auto file = InputFile::open(scratch_ / "file");
  ASSERT_TRUE(file.ok());
  const AlignedBuffer pages = AlignedBuffer::allocate(content.size() + 2 * kPageBytes);
  for (const std::size_t from : {std::size_t{0}, std::size_t{1}, kPageBytes - 1, kPageBytes, 2 * kPageBytes + 9}) {
    for (const std::size_t length : {std::size_t{1}, kPageBytes, kPageBytes + 1, content.size() - from}) {
      const std::size_t fits = std::min(length, content.size() - from);
      const auto got = (*file)->read_pages(from, fits, pages.span());
      ASSERT_TRUE(got.ok()) << got.error().message;
      EXPECT_EQ(as_text(*got), content.substr(from, fits)) << from << " " << fits;
    }
  }
}

TEST_F(TreeWalkTest, InputFileIsOnTheDeviceOnlyWhenThePageCacheHasNothingOfIt) {
  write("file", std::string(4 * kPageBytes, 'x'));
  const auto file = InputFile::open(scratch_ / "file");
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE((*file)->is_on_device(0, 4 * kPageBytes));  // written a moment ago
}

TEST_F(TreeWalkTest, InputFileNoticesAFileThatBecameShorterAroundThePageCache) {
  write("file", std::string(2 * kPageBytes, 'x'));
  const auto file = InputFile::open(scratch_ / "file");
  ASSERT_TRUE(file.ok());
  fs::resize_file(scratch_ / "file", kPageBytes + 5);
  const AlignedBuffer pages = AlignedBuffer::allocate(4 * kPageBytes);
  const auto got = (*file)->read_pages(3, 2 * kPageBytes - 3, pages.span());
  ASSERT_FALSE(got.ok());
  EXPECT_NE(got.error().message.find("became shorter"), std::string::npos) << got.error().message;
}

TEST_F(TreeWalkTest, InputFileNoticesAFileThatBecameShorter) {
  write("file", "0123456789");
  auto file = InputFile::open(scratch_ / "file");
  ASSERT_TRUE(file.ok());
  fs::resize_file(scratch_ / "file", 5);
  std::byte buffer[4];
  const Status status = (*file)->read_at(3, buffer);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("became shorter"), std::string::npos) << status.error().message;
}

TEST_F(TreeWalkTest, InputFileTellsWhetherItChanged) {
  write("file", "0123456789");
  auto file = InputFile::open(scratch_ / "file");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->identity_now().value(), (*file)->identity());
  fs::resize_file(scratch_ / "file", 11);
  EXPECT_NE((*file)->identity_now().value(), (*file)->identity());
}

TEST_F(TreeWalkTest, InputFileHasTheIdentityThatTheWalkSaw) {
  write("file", "0123456789");
  ASSERT_TRUE(walk("file").ok());
  EXPECT_EQ(InputFile::open(entries_.at(0).open_path).value()->identity(), entries_.at(0).identity);
}

TEST_F(TreeWalkTest, InputFileRefusesLinksFifosAndFolders) {
  write("file");
  fs::create_symlink("file", scratch_ / "link");
  ASSERT_EQ(::mkfifo((scratch_ / "fifo").c_str(), 0600), 0);
  for (const char* name : {"link", "fifo", ".", "missing"}) {
    EXPECT_FALSE(InputFile::open(scratch_ / name).ok()) << name;
  }
  EXPECT_EQ(InputFile::open(scratch_ / "missing").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace cairn
