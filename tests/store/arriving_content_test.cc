// SPDX-License-Identifier: Apache-2.0
//
// What is digested while it arrives: in which orders of its blocks all of it is, and where it ends in the others.
#include "api/src/arriving_content.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/store/mirror_fixture.h"

namespace cairn::testing {
namespace {

using mirror::ContentId;

constexpr DigestKind kKind = DigestKind::blake3;

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
Digest digest_of_text(const std::string& text) { return digest_of(kKind, bytes_of(text)); }
Piece piece(const std::string& block, std::uint32_t skip, std::uint32_t length, bool skeleton = false) {
  return {.block = {digest_of_text(block), static_cast<std::uint32_t>(block.size())},
          .skip = skip,
          .length = length,
          .skeleton = skeleton};
}
FilePieces file_of(std::vector<Piece> pieces) {
  FilePieces file{.total_bytes = 0, .pieces = std::move(pieces)};
  for (Piece& one : file.pieces) {
    one.offset = file.total_bytes;
    file.total_bytes += one.length;
  }
  return file;
}
Piece whole(const std::string& block) { return piece(block, 0, static_cast<std::uint32_t>(block.size())); }

class ArrivingContentTest : public ::testing::Test {
 protected:
  void take(const std::string& block) { arriving_.take(digest_of_text(block), bytes_of(block)); }
  // The digest of what came is that of `text`, and that was `all`.
  void expect_begun(const ContentId& id, const std::string& text, bool all) {
    const auto begun = arriving_.end(id);
    ASSERT_TRUE(begun.has_value());
    EXPECT_EQ(begun->bytes, text.size());
    EXPECT_EQ(begun->all, all);
    EXPECT_EQ(begun->digester.finish(), digest_of_text(text));
    EXPECT_FALSE(arriving_.end(id).has_value()) << "it is expected still";
  }

  ArrivingContent arriving_{kKind};
  const ContentId one_{mirror::kBlob, digest_of_text("one")}, two_{mirror::kBlob, digest_of_text("two")};
};

TEST_F(ArrivingContentTest, BlocksInTheirOrderAreAllOfIt) {
  arriving_.expect(one_, file_of({whole("ab"), whole("cde"), whole("f")}));
  for (const char* block : {"ab", "cde", "f"}) take(block);
  expect_begun(one_, "abcdef", true);
}

TEST_F(ArrivingContentTest, OneThatComesTooEarlyIsWhereItEnds) {
  arriving_.expect(one_, file_of({whole("ab"), whole("cde"), whole("f")}));
  for (const char* block : {"ab", "f", "cde"}) take(block);
  expect_begun(one_, "abcde", false);
}

TEST_F(ArrivingContentTest, WhatTwoAreMadeOfComesOnceForBoth) {
  arriving_.expect(one_, file_of({whole("ab"), whole("c")}));
  arriving_.expect(two_, file_of({whole("d"), whole("ab")}));
  for (const char* block : {"d", "ab", "c"}) take(block);
  expect_begun(one_, "abc", true);
  expect_begun(two_, "dab", true);
}

TEST_F(ArrivingContentTest, ABlockThatIsThereTwiceComesForItsNeighboursAlone) {
  arriving_.expect(one_, file_of({whole("ab"), whole("ab"), whole("c"), whole("ab")}));
  for (const char* block : {"ab", "c"}) take(block);
  expect_begun(one_, "ababc", false);
}

// Nobody can stop it meanwhile.
TEST_F(ArrivingContentTest, ABlockThatIsThereVeryOftenIsLeftToBeRead) {
  const std::string block(1 << 20, 'x');
  arriving_.expect(one_, file_of(std::vector<Piece>(100, whole(block))));
  take(block);
  const auto begun = arriving_.end(one_);
  ASSERT_TRUE(begun.has_value());
  EXPECT_EQ(begun->bytes, 64u << 20);
  EXPECT_FALSE(begun->all);
}

TEST_F(ArrivingContentTest, WhatHasTooManyPiecesIsNotExpected) {
  arriving_.expect(one_, file_of(std::vector<Piece>(1'000'000, whole("a"))));
  arriving_.expect(two_, file_of(std::vector<Piece>(100'000, whole("b"))));
  EXPECT_TRUE(arriving_.end(one_).has_value());
  EXPECT_FALSE(arriving_.end(two_).has_value());
}

TEST_F(ArrivingContentTest, ASkeletonIsKeptForWhatLiesBetween) {
  const std::string skeleton = "<|>";
  arriving_.expect(one_, file_of({piece(skeleton, 0, 1, true), whole("ab"), piece(skeleton, 1, 1, true), whole("c"),
                                  piece(skeleton, 2, 1, true)}));
  for (const std::string& block : {skeleton, std::string("ab"), std::string("c")}) take(block);
  expect_begun(one_, "<ab|c>", true);
}

TEST_F(ArrivingContentTest, ABlockOfAnotherSizeThanIsSaidIsNotTaken) {
  Piece shorter = piece("abc", 0, 2);
  shorter.block.bytes = 2;
  Piece longer = piece("abc", 0, 4);
  longer.block.bytes = 4;
  arriving_.expect(one_, file_of({shorter}));
  arriving_.expect(two_, file_of({longer}));
  take("abc");
  expect_begun(one_, "", false);
  expect_begun(two_, "", false);
}

TEST_F(ArrivingContentTest, WhatWasNotExpectedHasNotBegun) { EXPECT_FALSE(arriving_.end(one_).has_value()); }

TEST_F(ArrivingContentTest, WhatIsLeftBeginsInTheMidstOfAPiece) {
  const FilePieces file = file_of({whole("ab"), piece("_cde", 1, 3), whole("f")});
  EXPECT_EQ(pieces_behind(file, 0).pieces.size(), 3u);
  const FilePieces rest = pieces_behind(file, 3);
  ASSERT_EQ(rest.pieces.size(), 2u);
  EXPECT_EQ(rest.pieces[0].skip, 2u);
  EXPECT_EQ(rest.pieces[0].length, 2u);
  EXPECT_EQ(rest.pieces[0].offset, 3u);
  EXPECT_TRUE(pieces_behind(file, 6).pieces.empty());
}

class HalfArrivedTest : public MirrorTest {};

// A tensor is there before, or comes once for two places: what is left is read back.
TEST_F(HalfArrivedTest, AFileThatDoesNotComeInOrderIsVerifiedAllTheSame) {
  OpenedStore a = open("a");
  const std::string weights[] = {bf16_weights(300'000, 1), bf16_weights(300'000, 2), bf16_weights(300'000, 3)};
  const std::map<std::string, std::map<std::string, std::string>> models = {
      {"part", {{"b", weights[1]}}},
      {"twice", {{"a", weights[0]}, {"c", weights[2]}, {"d", weights[0]}}},
      {"whole", {{"a", weights[0]}, {"b", weights[1]}, {"c", weights[2]}}}};
  for (const auto& [name, tensors] : models) {
    write_file(inputs_ / (name + ".safetensors"), safetensors_of(tensors));
    ASSERT_TRUE(a.store.archive().add({inputs_ / (name + ".safetensors")}, {.name = name, .base = "none"}).ok());
  }
  push_well(*a.impl);
  for (const auto& names : {std::vector<std::string>{"part", "whole"}, std::vector<std::string>{"twice"}}) {
    OpenedStore b = open(names.front());
    for (const std::string& name : names) {
      // Once: what was read badly is not read again.
      MirrorView view(bucket_, kKind, {}, 1);
      ASSERT_TRUE(view.refresh().ok() && view.refresh_index().ok());
      const auto statements = view.choose({name});
      ASSERT_TRUE(statements.ok());
      const auto pulled = pull(*b.impl, bucket_, view, *statements, {}, {});
      ASSERT_TRUE(pulled.ok()) << name << ": " << pulled.error().message;
      EXPECT_EQ(*read_version(b.store, name + "@1"), *read_version(a.store, name + "@1"));
    }
    expect_whole(b.store);
  }
}

}  // namespace
}  // namespace cairn::testing
