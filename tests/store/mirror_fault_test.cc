// SPDX-License-Identifier: Apache-2.0
//
// A mirror whose requests fail, each in turn and in every way: nothing is lost, nothing wrong gets a name, and the same
// call, repeated, does what was left.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "tests/store/mirror_fixture.h"

namespace cairn::testing {
namespace {

using Fault = MemoryStorage::Fault;

// Small packs, so that there are many requests.
mirror::PushOptions small_packs() { return {.parallel = 2, .pack_bytes = 128 * 1024, .packs_per_index = 2}; }

class MirrorFaultTest : public MirrorTest {
 protected:
  void fill(OpenedStore& store) {
    for (std::uint64_t seed = 2; seed < 4; ++seed) add(store.store, "model", seed, 150'000);
    put_object(store.store, "value", random_bytes(200'000, 9));
    put_result(store.store, "loss", "0.5");
  }
  void fail_call(std::size_t which, Fault how) {
    bucket_.restart();
    bucket_.fault = [which, how](std::size_t call, const std::string&) { return call == which ? how : Fault::none; };
  }
  void heal() { bucket_.fault = nullptr; }
};

TEST_F(MirrorFaultTest, APushWhoseRequestsFailIsGoneOnWith) {
  OpenedStore a = open("a");
  fill(a);
  const auto all = contents(a.store);
  ASSERT_TRUE(push(*a.impl, small_packs()).ok());
  const std::size_t calls = bucket_.calls();
  const std::uint64_t packed = bucket_.bytes("packs/");
  ASSERT_GT(calls, 12u);
  for (const Fault how : {Fault::refused, Fault::answer_lost}) {
    for (std::size_t which = 0; which < calls; ++which) {
      bucket_.objects().clear();
      fail_call(which, how);
      const auto failed = push(*a.impl, small_packs());
      EXPECT_FALSE(failed.ok()) << which;
      EXPECT_TRUE(failed.ok() || failed.error().retryable) << failed.error().message;
      heal();
      // What a pull would find now is whole, if it is there at all.
      const std::string part = "part" + std::to_string(static_cast<int>(how)) + "-" + std::to_string(which);
      if (restore(part).ok()) {
        OpenedStore store = open(part);
        for (const auto& [name, content] : contents(store.store)) EXPECT_EQ(all.at(name), content) << name;
      }
      ASSERT_TRUE(push(*a.impl, small_packs()).ok());
      const std::string whole = "whole" + std::to_string(static_cast<int>(how)) + "-" + std::to_string(which);
      ASSERT_TRUE(restore(whole).ok());
      OpenedStore restored = open(whole);
      EXPECT_EQ(contents(restored.store), all) << which;
      // What an index did not have yet is sent again under the name that it had.
      EXPECT_LE(bucket_.bytes("packs/"), packed + 4 * 128 * 1024);
    }
  }
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), all);
  expect_whole(b.store);
}

TEST_F(MirrorFaultTest, APullWhoseRequestsFailOrLieBringsNothingWrong) {
  OpenedStore a = open("a");
  fill(a);
  ASSERT_TRUE(push(*a.impl, small_packs()).ok());
  const auto model = *read_version(a.store, "model@2");
  bucket_.restart();
  {
    OpenedStore once = open("once");
    ASSERT_TRUE(pull(*once.impl, bucket_, {.names = {"model"}}).ok());
  }
  const std::size_t calls = bucket_.calls();
  ASSERT_GT(calls, 10u);
  for (const Fault how : {Fault::refused, Fault::flipped_answer, Fault::cut_answer}) {
    for (std::size_t which = 0; which < calls; ++which) {
      const std::string path = "b" + std::to_string(static_cast<int>(how)) + "-" + std::to_string(which);
      OpenedStore b = open(path);
      fail_call(which, how);
      const auto failed = pull(*b.impl, bucket_, {.names = {"model"}});
      heal();
      // A listing has no answer that is flipped; all else is noticed, and named.
      if (!failed.ok()) {
        EXPECT_TRUE(b.store.archive().list()->empty()) << which;
        ASSERT_TRUE(pull(*b.impl, bucket_, {.names = {"model"}}).ok()) << which;
      }
      EXPECT_EQ(*read_version(b.store, "model@2"), model) << which;
      expect_whole(b.store);
    }
  }
}

TEST_F(MirrorFaultTest, EveryFlippedByteOfWhatAMirrorHasIsNoticed) {
  OpenedStore a = open("a");
  add(a.store, "model", 2, 20'000);
  ASSERT_TRUE(push(*a.impl, small_packs()).ok());
  const auto model = *read_version(a.store, "model@1");
  const auto good = bucket_.objects();
  std::mt19937_64 random(test_seed(4711));
  std::size_t refused = 0;
  for (std::size_t round = 0; round < scaled(60, 600); ++round) {
    bucket_.objects() = good;
    auto at = bucket_.objects().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random() % good.size()));
    const std::size_t where = random() % at->second.size();
    at->second[where] ^= static_cast<std::byte>(1u << random() % 8);
    const std::string path = "b" + std::to_string(round);
    OpenedStore b = open(path);
    const auto pulled = pull(*b.impl, bucket_, {.names = {"model"}});
    if (pulled.ok()) {
      // In the table at a pack's end, which the index repeats.
      EXPECT_EQ(*read_version(b.store, "model@1"), model) << at->first << " at " << where;
    } else {
      ++refused;
      EXPECT_TRUE(pulled.error().code == ErrorCode::corruption || pulled.error().code == ErrorCode::unsupported)
          << pulled.error().message;
      EXPECT_TRUE(b.store.archive().list()->empty());
    }
  }
  EXPECT_GT(refused, scaled(40, 400));
}

// Somebody who may write to the bucket makes a pack, an index and journals that are as they should be, of content that
// is not what its id says. It comes in the order in which it was put.
TEST_F(MirrorFaultTest, WhatAForgerPutsUnderAnIdIsNotTaken) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  ASSERT_TRUE(push(*a.impl).ok());
  const MirrorFormats formats(DigestKind::blake3);
  mirror::PackIndex index;
  ASSERT_TRUE(index.refresh(bucket_, formats, 1).ok());
  std::set<mirror::ContentId> needed;
  for (const auto& [name, pack] : index.packs()) {
    for (const auto& record : pack.records) needed.insert(record.id);
  }
  // So that there is another of each kind.
  add(a.store, "other", 3);
  ASSERT_TRUE(push(*a.impl).ok());
  ASSERT_TRUE(index.refresh(bucket_, formats, 1).ok());
  std::vector<mirror::PackIndex::Place> places;
  for (const auto& [name, pack] : index.packs()) {
    for (const auto& record : pack.records) places.push_back({.pack = &pack, .record = &record});
  }
  std::set<std::uint8_t> kinds;
  for (std::size_t forged = 0; forged < places.size(); ++forged) {
    if (!needed.contains(places[forged].record->id)) continue;
    // All that the mirror has, in one pack; of one record the payload is another's of its kind.
    mirror::PackBuilder builder;
    mirror::FetchCounters counters;
    std::size_t number = 0;
    std::map<mirror::ContentId, std::vector<std::byte>> payloads;
    const auto keep = [&](const mirror::Content& content) -> Status {
      payloads[content.id].assign(content.payload.begin(), content.payload.end());
      return {};
    };
    ASSERT_TRUE(mirror::fetch(bucket_, formats, places, {}, counters, keep).ok());
    for (const auto& place : places) {
      mirror::Content content{.id = place.record->id,
                              .codec = place.record->codec,
                              .logical_bytes = place.record->logical_bytes,
                              .checksum = place.record->checksum,
                              .bases = place.record->bases,
                              .payload = payloads.at(place.record->id)};
      if (number++ == forged) {
        for (const auto& from : places) {
          if (from.record->id.kind != content.id.kind || from.record->id == content.id) continue;
          content.codec = from.record->codec;
          content.logical_bytes = from.record->logical_bytes;
          content.checksum = from.record->checksum;
          content.payload = payloads.at(from.record->id);
        }
      }
      builder.add(content);
    }
    const auto built = builder.finish(formats);
    MemoryStorage bucket;
    for (const auto& [key, bytes] : bucket_.objects()) {
      if (!key.starts_with("packs/") && !key.starts_with("index/")) bucket.objects()[key] = bytes;
    }
    bucket.objects()[mirror::pack_key(formats, built.pack.name)] = built.bytes;
    const auto index_bytes = mirror::encode_index({built.pack});
    bucket.objects()[mirror::index_key(formats, formats.digest_of(index_bytes))] = index_bytes;

    OpenedStore b = open("b" + std::to_string(forged));
    const auto pulled = pull(*b.impl, bucket, {.names = {"model"}});
    kinds.insert(places[forged].record->id.kind);
    ASSERT_FALSE(pulled.ok()) << "record " << forged << " of kind " << int(places[forged].record->id.kind);
    EXPECT_TRUE(b.store.archive().list()->empty());
    // What was refused is not in the way of the real thing.
    ASSERT_TRUE(pull(*b.impl, bucket_, {.names = {"model"}}).ok()) << forged;
    const auto version = read_version(b.store, "model@1");
    ASSERT_TRUE(version.ok()) << version.error().message << ", record " << forged;
    EXPECT_EQ(*version, *read_version(a.store, "model@1"));
    expect_whole(b.store);
  }
  for (const RecordKind kind : {RecordKind::block, RecordKind::blob, RecordKind::tensor, RecordKind::model,
                                RecordKind::tree, RecordKind::snapshot}) {
    EXPECT_TRUE(kinds.contains(static_cast<std::uint8_t>(kind))) << record_kind_name(kind);
  }
}

}  // namespace
}  // namespace cairn::testing
