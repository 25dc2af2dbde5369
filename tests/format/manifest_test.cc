// SPDX-License-Identifier: Apache-2.0
//
// Manifests: round trips of random values, and each rule of manifest.h broken by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "tests/format/examples.h"

namespace cairn {
namespace {

using testing::HasSubstr;

template <class T>
void expect_refused(const Result<T>& result, std::string_view why) {
  ASSERT_FALSE(result.ok()) << "accepted, although: " << why;
  EXPECT_EQ(result.error().code, ErrorCode::corruption);
  EXPECT_THAT(result.error().message, HasSubstr(std::string(why)));
}

// Encodes a value that breaks a rule; the decoder must refuse it.
template <class Manifest, class Change>
std::vector<std::byte> changed(Manifest manifest, Change change) {
  change(manifest);
  return encode(manifest);
}

TEST(BlobManifest, SizesMustAddUp) {
  expect_refused(decode_blob(changed(examples::blob(), [](auto& b) { b.total_bytes += 1; })), "total_bytes");
  expect_refused(decode_blob(changed(BlobManifest{}, [](auto& b) { b.total_bytes = 1; })), "total_bytes");
  expect_refused(decode_blob(changed(examples::blob(), [](auto& b) { b.blocks[1].bytes = 0; })), "'block.bytes'");
}

TEST(BlobManifest, OfOneBlockDoesNotExist) {
  const BlobManifest one{.total_bytes = 5, .blocks = {{examples::digest(1), 5}}};
  expect_refused(decode_blob(encode(one)), "one block");
}

TEST(TensorManifest, DtypeMustBeKnown) {
  expect_refused(decode_tensor(changed(examples::tensor(), [](auto& t) { t.dtype = static_cast<DType>(200); })),
                 "'dtype' at offset 2");
}

TEST(TensorManifest, OfNoDimensionsAndOfManyComesBack) {
  for (const std::size_t rank : {0u, 1u, 100u}) {
    auto tensor = examples::tensor();
    tensor.shape.assign(rank, UINT64_MAX);
    EXPECT_EQ(decode_tensor(encode(tensor)).value(), tensor);
  }
}

TEST(ModelManifest, TensorsLieInOrderInsideTheFileWithoutOverlap) {
  const auto with = [](auto change) { return decode_model(changed(examples::model(), change)); };
  expect_refused(with([](auto& m) { m.tensors[1].offset = 81; }), "before the end of the tensor before it");
  expect_refused(with([](auto& m) { std::swap(m.tensors[0], m.tensors[1]); }), "before the end");
  expect_refused(with([](auto& m) { m.tensors[1].offset = 101; }), "outside the file");
  expect_refused(with([](auto& m) { m.tensors[1].offset = UINT64_MAX; }), "outside the file");
  expect_refused(with([](auto& m) { m.tensors[1].bytes = 19; }), "beyond the file's end");
  expect_refused(with([](auto& m) { m.tensors[1].bytes = UINT64_MAX; }), "beyond the file's end");
}

TEST(ModelManifest, SizesMustAddUpWithoutOverflow) {
  const auto with = [](auto change) { return decode_model(changed(examples::model(), change)); };
  expect_refused(with([](auto& m) { m.skeleton_bytes += 1; }), "total_bytes");
  expect_refused(with([](auto& m) { m.tensors[0].bytes -= 1; }), "total_bytes");
  // 2^64 - 12 + 12 + 100 would wrap round to the total.
  expect_refused(with([](auto& m) { m.skeleton_bytes = UINT64_MAX - 11; }), "overflows");
}

TEST(ModelManifest, EmptyTensorsMayStandAnywhereBetweenOthers) {
  ModelManifest model{.format = 1, .total_bytes = 10, .skeleton_bytes = 4, .tensors = {}};
  model.tensors = {{"z0", 0, 0, {}}, {"a", 0, 6, {}}, {"z1", 6, 0, {}}, {"z2", 6, 0, {}}, {"z3", 10, 0, {}}};
  EXPECT_EQ(decode_model(encode(model)).value(), model);
  model.tensors[2].offset = 5;
  expect_refused(decode_model(encode(model)), "before the end");
}

TEST(ModelManifest, OfAFormatThisVersionDoesNotKnowIsStillRestored) {
  auto model = examples::model();
  model.format = 250;
  EXPECT_EQ(decode_model(encode(model)).value(), model);
}

TEST(TreeManifest, PathsAreUniqueAndSortedBytewise) {
  const auto with = [](auto change) { return decode_tree(changed(examples::tree(), change)); };
  expect_refused(with([](auto& t) { t.entries[3].path = "d/l"; }), "out of order: 'd/l'");
  expect_refused(with([](auto& t) { std::swap(t.entries[2], t.entries[3]); }), "out of order");
  TreeManifest tree;
  for (const char* path : {"a", "a-b", "a.b", "a/b", "a0", "\xc3\xa9", "\xff"}) {
    tree.entries.push_back({.path = path, .kind = EntryKind::directory});
  }
  EXPECT_EQ(decode_tree(encode(tree)).value(), tree);
}

TEST(TreeManifest, NothingLiesUnderAFileOrALink) {
  const auto tree_of = [](std::vector<std::pair<std::string, EntryKind>> entries) {
    TreeManifest tree;
    for (auto& [path, kind] : entries) {
      tree.entries.push_back({.path = path, .kind = kind});
      if (kind == EntryKind::symlink) tree.entries.back().link_target = "/";
    }
    return decode_tree(encode(tree));
  };
  using enum EntryKind;
  expect_refused(tree_of({{"a", file}, {"a/b", file}}), "under a file, a link or a state: 'a/b'");
  expect_refused(tree_of({{"a", symlink}, {"a/b", directory}}), "under a file, a link or a state");
  // Siblings that sort between an entry and what lies under it hide nothing.
  expect_refused(tree_of({{"a", symlink}, {"a-b", file}, {"a-b.c", file}, {"a/b/c/d", file}}), "under a file");
  expect_refused(tree_of({{"a", directory}, {"a/b", file}, {"a/b-", file}, {"a/b/c", file}}), "under a file");
  expect_refused(tree_of({{"a", file}, {"aa", file}, {"aaa", file}, {"aaa/x", file}}), "under a file");
  EXPECT_TRUE(tree_of({{"a", file}, {"a-b", directory}, {"a-b/c", file}, {"a.b", file}, {"ab", file}}).ok());
  EXPECT_TRUE(tree_of({{"a", directory}, {"a/b", file}, {"a/c/d", file}, {"b/c", symlink}}).ok());
}

TEST(TreeManifest, NamesTheFieldThatIsWrong) {
  const auto with = [](auto change) { return decode_tree(changed(examples::tree(), change)); };
  expect_refused(with([](auto& t) { t.entries[0].path = "../d"; }), "'entry.path' at offset 6 is refused");
  expect_refused(with([](auto& t) { t.entries[0].kind = static_cast<EntryKind>(5); }), "'entry.kind' at offset 11");
  expect_refused(with([](auto& t) { t.entries[0].mode = 010000; }), "'entry.mode' at offset 12");
  expect_refused(with([](auto& t) { t.entries[2].link_target = ""; }), "'entry.link_target'");
  expect_refused(with([](auto& t) { t.entries[2].link_target = std::string("a\0b", 3); }), "holds a NUL");
  auto bytes = encode(examples::tree());
  bytes[92] = std::byte{2};  // golden/tree.hex
  expect_refused(decode_tree(bytes), "'entry.is_model' at offset 92 is neither 0 nor 1");
}

TEST(SnapshotManifest, MetadataKeysAreStrictlyAscending) {
  const auto bytes = encode(examples::snapshot());
  const auto find = [&](std::string_view text) {
    const auto at = as_text(bytes).find(text);
    EXPECT_NE(at, std::string_view::npos);
    return at;
  };
  for (const std::string_view key : {"aaaa", "loss"}) {  // out of order, and twice
    auto forged = bytes;
    const Bytes text = as_bytes(key);
    std::copy(text.begin(), text.end(), forged.begin() + static_cast<std::ptrdiff_t>(find("step")));
    expect_refused(decode_snapshot(forged), "'metadata'");
  }
}

TEST(SnapshotManifest, WithoutAParentComesBack) {
  auto snapshot = examples::snapshot();
  snapshot.has_parent = false;
  snapshot.parent = {};
  snapshot.metadata.clear();
  EXPECT_EQ(decode_snapshot(encode(snapshot)).value(), snapshot);
}

TEST(StateManifest, NamesAreAnyBytesAndAscend) {
  auto state = examples::state();
  state.values[0].name = std::string("\0\xff/..", 5);
  state.values[1].name = std::string("\0\xff/..x", 6);
  EXPECT_EQ(decode_state_manifest(encode(state)).value(), state);
  expect_refused(decode_state_manifest(changed(state, [](auto& s) { s.values[1].name = s.values[0].name; })),
                 "'value.name'");
  expect_refused(decode_state_manifest(changed(state, [](auto& s) { std::swap(s.values[0], s.values[1]); })),
                 "'value.name'");
}

TEST(StateManifest, OfOtherKindsOrTooManyBytesIsRefused) {
  expect_refused(
      decode_state_manifest(changed(examples::state(), [](auto& s) { s.values[0].kind = RecordKind::block; })),
      "'value.kind'");
  expect_refused(decode_state_manifest(changed(examples::state(), [](auto& s) { s.values[0].bytes = UINT64_MAX; })),
                 "'value.bytes'");
  EXPECT_EQ(decode_state_manifest(encode(StateManifest{})).value(), StateManifest{});
}

TEST(DeltaManifest, WhatNoKindHasIsRefused) {
  using examples::delta_axis;
  using examples::delta_steps;
  const auto with = [](const auto& delta, auto change) { return decode_delta(changed(delta, change)); };
  expect_refused(with(delta_steps(), [](auto& d) { d.kind = static_cast<DeltaKind>(9); }), "'delta_kind'");
  expect_refused(with(delta_steps(), [](auto& d) { d.dtype = static_cast<DType>(28); }), "'dtype'");
  expect_refused(with(delta_steps(), [](auto& d) { d.streams.resize(9); }), "'streams'");
  expect_refused(with(delta_steps(), [](auto& d) { d.streams[0].bytes = UINT64_MAX; }), "'stream.bytes'");
  expect_refused(with(delta_steps(), [](auto& d) { d.max_error = -0.0; }), "'max_error'");
  expect_refused(with(delta_steps(), [](auto& d) { d.max_error = std::numeric_limits<double>::quiet_NaN(); }),
                 "'max_error'");
  expect_refused(with(delta_steps(), [](auto& d) { d.max_error = std::numeric_limits<double>::infinity(); }),
                 "'max_error'");
  expect_refused(with(delta_steps(), [](auto& d) { d.largest_error = 0.75; }), "'largest_error'");
  expect_refused(with(delta_axis(), [](auto& d) { d.axis = 2; }), "'axis'");
}

TEST(TreeManifest, NothingLiesUnderAState) {
  auto tree = examples::tree_state();
  tree.entries.push_back({.path = "state/x", .bytes = 1});
  expect_refused(decode_tree(encode(tree)), "lies under");
}

TEST(RefRecord, NameAndVersionMustBePossible) {
  expect_refused(decode_ref(changed(examples::ref(), [](auto& r) { r.name = "a@1"; })),
                 "'name' at offset 2 is refused");
  expect_refused(decode_ref(changed(examples::ref(), [](auto& r) { r.name = ""; })), "is empty");
}

TEST(Manifests, OfAnotherKindAreRefused) {
  const auto all = examples::manifests();
  for (const auto& bytes_of : all) {
    for (const auto& decoder_of : all) {
      if (bytes_of.bytes.front() == decoder_of.bytes.front()) continue;
      expect_refused(decoder_of.recode(bytes_of.bytes), "'kind' at offset 0");
    }
  }
}

TEST(Manifests, OfANewerVersionAreUnsupported) {
  for (const auto& structure : examples::manifests()) {
    auto bytes = structure.bytes;
    bytes[1] = std::byte{2};
    const auto result = structure.recode(bytes);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::unsupported);
    EXPECT_THAT(result.error().message, HasSubstr("made by a newer version of Cairn (format 2; "));
  }
}

TEST(Manifests, OfRandomContentComeBack) {
  constexpr unsigned kSeed = 20240611;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  const auto text = [&](std::size_t max) {
    std::string value(random() % (max + 1), '\0');
    for (char& c : value) c = static_cast<char>(random());
    return value;
  };
  const auto any_digest = [&] { return examples::digest(static_cast<unsigned>(random())); };
  for (int round = 0; round < 200; ++round) {
    BlobManifest blob;
    for (std::size_t i = 0, n = 2 + random() % 20; i < n; ++i) {
      blob.blocks.push_back({any_digest(), static_cast<std::uint32_t>(random() | 1)});
      blob.total_bytes += blob.blocks.back().bytes;
    }
    EXPECT_EQ(decode_blob(encode(blob)).value(), blob);

    ModelManifest model{.format = 2, .skeleton = any_digest(), .tensors = {}};
    for (std::size_t i = 0, n = random() % 20; i < n; ++i) {
      const std::uint64_t gap = random() % 100, bytes = random() % 1000;
      model.tensors.push_back({text(20), model.total_bytes + gap, bytes, any_digest()});
      model.total_bytes += gap + bytes;
      model.skeleton_bytes += gap;
    }
    EXPECT_EQ(decode_model(encode(model)).value(), model);

    SnapshotManifest snapshot{.tree = any_digest(), .created_ns = static_cast<std::int64_t>(random())};
    for (std::size_t i = 0, n = random() % 20; i < n; ++i) snapshot.metadata[text(5)] = text(30);
    EXPECT_EQ(decode_snapshot(encode(snapshot)).value(), snapshot);
    EXPECT_EQ(encode(decode_snapshot(encode(snapshot)).value()), encode(snapshot));
  }
}

TEST(ReclaimedRecord, RangesGrowTogetherAndRefuseOtherOrders) {
  ReclaimedRecord record;
  for (const std::uint32_t segment : {5, 1, 3, 9, 2, 5}) record.add(segment);
  const std::vector<ReclaimedRecord::Range> expected = {{1, 3}, {5, 5}, {9, 9}};
  EXPECT_EQ(record.ranges, expected);
  for (std::uint32_t segment = 0; segment < 12; ++segment) {
    EXPECT_EQ(record.contains(segment), (segment >= 1 && segment <= 3) || segment == 5 || segment == 9);
  }
  using Ranges = std::vector<ReclaimedRecord::Range>;
  for (const Ranges& wrong : {Ranges{{0, 1}}, Ranges{{2, 1}}, Ranges{{1, 2}, {3, 4}}, Ranges{{4, 4}, {1, 1}}}) {
    EXPECT_FALSE(decode_reclaimed(encode(ReclaimedRecord{.ranges = wrong})).ok());
  }
}

}  // namespace
}  // namespace cairn
