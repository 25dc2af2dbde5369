// SPDX-License-Identifier: Apache-2.0
//
// What is mirrored comes back: all of a store, or one name, bit for bit; and nothing is sent twice.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/store/mirror_fixture.h"

namespace cairn::testing {
namespace {

TEST_F(MirrorTest, AStoreIsRestoredFromItsMirrorAlone) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  add(a.store, "model", 3);
  add(a.store, "other", 4);
  put_object(a.store, "first name", random_bytes(300'000, 5));
  put_object(a.store, "second name", random_bytes(300'000, 5));
  put_object(a.store, "small", "0123456789");
  put_result(a.store, "loss", "0.25");
  const std::string text = "weights of generation 7";
  ASSERT_TRUE(a.store.checkpoints("run")
                  .save(7, {{.bytes = std::as_bytes(std::span(text)), .name = "text"}}, {})
                  .committed()
                  .wait()
                  .ok());
  push_well(*a.impl);
  const auto before = contents(a.store);
  const auto checkpoint = *read_version(a.store, "checkpoints/run@7");
  ASSERT_TRUE(a.store.close().ok());
  ASSERT_TRUE(StoreImpl::destroy(fs_, "a").ok());

  const auto restored = restore("b");
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), before);
  EXPECT_EQ(before.size(), 3u + 3u + 1u);
  EXPECT_EQ(*read_version(b.store, "checkpoints/run@7"), checkpoint);
  expect_whole(b.store);
  EXPECT_EQ(wrong_with_counts(b.store), "");
  EXPECT_EQ(b.store.checkpoints("run").latest()->value().generation, 7u);
  const auto result = b.store.results("eval").info("loss");
  ASSERT_TRUE(result.ok() && *result);
  EXPECT_LE((*result)->time_left.value(), std::chrono::hours(1));
  // It goes on as any store does.
  put_result(b.store, "loss", "0.125");
  EXPECT_EQ(b.store.results("eval").get("loss")->value().text(), "0.125");
  const auto more = push_well(*b.impl);
  EXPECT_EQ(more.records, 0u) << "all of it is in the mirror already";
}

TEST_F(MirrorTest, WhatAnotherStoreHasSentIsNotSentAgain) {
  OpenedStore a = open("a"), b = open("b");
  add(a.store, "model", 2);
  const auto first = push_well(*a.impl);
  add(b.store, "tuned", 3);
  const std::uint64_t own = 2 * 100'000, before = bucket_.bytes("packs/");
  const auto second = push_well(*b.impl);
  EXPECT_LT(second.content_bytes, own);  // compressed, with what says where it is
  EXPECT_GT(first.content_bytes, second.content_bytes);
  EXPECT_LT(bucket_.bytes("packs/") - before, own);
  EXPECT_LE(static_cast<double>(second.sent_bytes), 1.02 * static_cast<double>(second.content_bytes));
}

TEST_F(MirrorTest, OneNameIsPulledWithoutTheRest) {
  OpenedStore a = open("a"), b = open("b");
  add(a.store, "wanted", 2);
  for (std::uint64_t seed = 3; seed < 9; ++seed) add(a.store, "other", seed);
  push_well(*a.impl);
  const auto pulled = pull(*b.impl, bucket_, {.names = {"wanted"}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(*read_version(b.store, "wanted@1"), *read_version(a.store, "wanted@1"));
  EXPECT_EQ(b.store.archive().list()->size(), 1u);
  EXPECT_LT(pulled->fetched.bytes, bucket_.bytes("packs/") / 2);
  expect_whole(b.store);

  // What is there is not fetched again, and the latest version of a name is what its name alone means.
  const auto again = pull(*b.impl, bucket_, {.names = {"wanted@1", "other"}});
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(*read_version(b.store, "other@6"), *read_version(a.store, "other@6"));
  EXPECT_LT(again->fetched.bytes, 2 * 100'000u);
  EXPECT_EQ(b.store.archive().list()->size(), 2u);
}

TEST_F(MirrorTest, ANameThatTheMirrorLacksOrHasTwiceOrThatIsSomethingElseHereIsAnError) {
  OpenedStore a = open("a"), b = open("b"), c = open("c");
  EXPECT_EQ(pull(*c.impl, bucket_, {.names = {"model"}}).error().code, ErrorCode::not_found);  // no mirror at all
  add(a.store, "model", 2);
  add(b.store, "model", 3);
  push_well(*a.impl);
  EXPECT_EQ(pull(*c.impl, bucket_, {.names = {"model@2"}}).error().code, ErrorCode::not_found);
  push_well(*b.impl);
  const auto ambiguous = pull(*c.impl, bucket_, {.names = {"model"}});
  ASSERT_FALSE(ambiguous.ok());
  EXPECT_EQ(ambiguous.error().code, ErrorCode::conflict);
  EXPECT_NE(ambiguous.error().message.find(mirror::hex(b.impl->header().uuid)), std::string::npos);
  EXPECT_TRUE(c.store.archive().list()->empty());
  ASSERT_TRUE(pull(*c.impl, bucket_, {.names = {"model"}, .store = b.impl->header().uuid}).ok());
  EXPECT_EQ(*read_version(c.store, "model@1"), *read_version(b.store, "model@1"));
  // Its own version stays.
  const auto taken = pull(*c.impl, bucket_, {.names = {"model@1"}, .store = a.impl->header().uuid});
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code, ErrorCode::conflict);
  EXPECT_EQ(*read_version(c.store, "model@1"), *read_version(b.store, "model@1"));
}

TEST_F(MirrorTest, APushWithNothingNewAsksForNothingOnceItKnowsTheMirror) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  MirrorSource source(*a.impl);
  const MirrorFormats formats(a.impl->header().digest);
  mirror::Pusher pusher(source, bucket_, formats, {});
  ASSERT_TRUE(pusher.push().ok());
  bucket_.restart();
  ASSERT_TRUE(pusher.push().ok());
  EXPECT_EQ(bucket_.calls(), 0u);
  add(a.store, "model", 3);
  ASSERT_TRUE(pusher.push().ok());
  EXPECT_EQ(bucket_.calls(), 6u);  // blocks, objects, their index, the journal, and two looks at what is outgoing
}

TEST_F(MirrorTest, WhatIsRemovedHereIsGoneThereAlsoWhenTheLogHasForgottenIt) {
  OpenedStore a = open("a");
  for (std::uint64_t seed = 2; seed < 12; ++seed) add(a.store, "model", seed);
  put_result(a.store, "kept", "1");
  put_result(a.store, "gone", "2");
  push_well(*a.impl);
  for (int version = 1; version < 10; ++version) {
    ASSERT_TRUE(a.store.archive().remove("model@" + std::to_string(version)).ok());
  }
  ASSERT_TRUE(a.store.results("eval").remove("gone").ok());
  const auto journals = mirror::list_all(bucket_, "stores/");
  const auto list = mirror::journals_of(*journals, mirror::journal_prefix(a.impl->header().uuid));
  // Until the log does not tell any more: a tombstone is carried as long as an older segment is there.
  const auto tombstones = [&] {
    const auto changes = MirrorSource(*a.impl).changes(list.end, 64 * MiB);
    return std::ranges::count_if(changes->statements, &mirror::Statement::removed);
  };
  std::uint64_t round = 0;
  for (; tombstones() > 0 && round < 20; ++round) {
    add(a.store, "filler", 20 + round);
    ASSERT_TRUE(a.store.archive().remove("filler").ok());
    ASSERT_TRUE(a.store.gc({.max_dead = 0}).ok());
  }
  ASSERT_EQ(tombstones(), 0) << round;
  ASSERT_TRUE(MirrorSource(*a.impl).changes(list.end, 1)->has_gap);
  push_well(*a.impl);
  const auto left = contents(a.store);
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), left);
  // TTLs count the time that the store has been in use: that is not forgotten either.
  EXPECT_NE(mirrored().count({12, ""}), 0u);
  expect_whole(b.store);
}

TEST_F(MirrorTest, WhatWasLeftOutIsMirroredOnceItIsWhole) {
  OpenedStore a = open("a");
  add(a.store, "good", 2);
  add(a.store, "bad", 3);
  const RecordLocation at = block_of(*a.impl, "bad@1");
  const std::string segment = "a/log/0000000" + std::to_string(at.segment) + ".seg";
  ASSERT_TRUE(fs_.flip_bit(segment, at.offset + 100, 3).ok());
  EXPECT_EQ(push(*a.impl)->left_out.size(), 1u);
  add(a.store, "good", 4);
  EXPECT_EQ(push(*a.impl)->left_out.size(), 1u) << "it is tried again, and is still damaged";
  {
    ASSERT_TRUE(restore("part").ok());
    OpenedStore part = open("part");
    EXPECT_EQ(part.store.archive().list()->size(), 2u);
    EXPECT_EQ(*read_version(part.store, "good@2"), *read_version(a.store, "good@2"));
  }
  ASSERT_TRUE(fs_.flip_bit(segment, at.offset + 100, 3).ok());  // the device has come to its senses
  add(a.store, "good", 5);
  push_well(*a.impl);
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), contents(a.store));
  bucket_.restart();
  push_well(*a.impl);
  EXPECT_LE(bucket_.calls(), 20u);
}

TEST_F(MirrorTest, TwoWhoPushOneStoreDoNotHarmEachOther) {
  OpenedStore a = open("a");
  const MirrorFormats formats(a.impl->header().digest);
  MirrorSource source(*a.impl);
  mirror::Pusher one(source, bucket_, formats, {}), other(source, bucket_, formats, {});
  for (int i = 0; i < 60; ++i) {
    put_result(a.store, "key " + std::to_string(i % 9), std::to_string(i));
    if (i % 4 == 0) {
      ASSERT_TRUE(a.store.results("eval").remove("key " + std::to_string(i % 5)).ok());
    }
    const auto pushed = (i % 3 == 0 ? one : other).push();
    ASSERT_TRUE(pushed.ok()) << i << ": " << pushed.error().message;
  }
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), contents(a.store));
}

TEST_F(MirrorTest, AJournalThatIsLostIsPutAgain) {
  OpenedStore a = open("a");
  for (int i = 0; i < 5; ++i) {
    put_result(a.store, "key " + std::to_string(i), std::to_string(i));
    push_well(*a.impl);
  }
  auto& objects = bucket_.objects();
  objects.erase(std::next(objects.lower_bound("stores/"), 2));
  EXPECT_FALSE(restore("broken").ok());
  push_well(*a.impl);
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), contents(a.store));
}

TEST_F(MirrorTest, AnotherHistoryOfTheSameStoreIsAConflict) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  push_well(*a.impl);
  const MirrorFormats formats(a.impl->header().digest);
  const mirror::Uuid uuid = a.impl->header().uuid;
  const auto good = bucket_.objects();
  const auto at = bucket_.objects().lower_bound("stores/");
  mirror::Journal journal = mirror::decode_journal(at->second, formats).value();
  ASSERT_NE(journal.mark, 0u);
  journal.mark += 1;
  at->second = mirror::encode_journal(journal, formats);
  EXPECT_EQ(push(*a.impl).error().code, ErrorCode::conflict);
  // Further than this store has come.
  bucket_.objects() = good;
  journal.from = journal.to;
  journal.to = {.segment = 99, .offset = 4096};
  bucket_.objects()[mirror::journal_key(uuid, journal.from, journal.to)] = mirror::encode_journal(journal, formats);
  EXPECT_EQ(push(*a.impl).error().code, ErrorCode::conflict);
  bucket_.objects() = good;
  push_well(*a.impl);
}

TEST_F(MirrorTest, AStoreThatWasOptimizedTakesVersionsThatRelyOnOthers) {
  base_ = "";
  OpenedStore a = open("a");
  std::string weights = bf16_weights(150'000, 7);
  const auto next_version = [&] {
    for (std::size_t i = 0; i < weights.size(); i += 64) weights[i] = static_cast<char>(weights[i] + 1);
    write_file(inputs_ / "m.safetensors", safetensors_of({{"weights", weights}}));
    ASSERT_TRUE(a.store.archive().add({inputs_ / "m.safetensors"}, {.name = "run", .force = true}).ok());
  };
  for (int version = 0; version < 6; ++version) next_version();
  push_well(*a.impl);
  OpenedStore b = open("b");
  ASSERT_TRUE(pull(*b.impl, bucket_, {.names = {"run@1", "run@2", "run@3", "run@4", "run@5"}}).ok());
  ASSERT_TRUE(b.store.optimize({}).ok());
  next_version();
  push_well(*a.impl);
  ASSERT_TRUE(pull(*b.impl, bucket_, {.names = {"run@6", "run@7"}}).ok());
  for (int version = 1; version <= 7; ++version) {
    const std::string name = "run@" + std::to_string(version);
    EXPECT_EQ(*read_version(b.store, name), *read_version(a.store, name));
  }
  expect_whole(b.store);
  EXPECT_EQ(wrong_with_counts(b.store), "");
}

TEST_F(MirrorTest, LargeResultsAreRestoredSoThatTheLogCanBeReadAgain) {
  OpenedStore a = open("a");
  for (int i = 0; i < 80; ++i) put_result(a.store, "key " + std::to_string(i), "\"" + std::string(900'000, 'a') + "\"");
  push_well(*a.impl);
  ASSERT_TRUE(restore("b").ok());
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, "b", {}).ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), contents(a.store));
}

TEST_F(MirrorTest, WhatAKilledRestoreLeftIsInNobodysWay) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  push_well(*a.impl);
  { OpenedStore left = open("b.restoring"); }
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), contents(a.store));
  EXPECT_FALSE(fs_.info("b.restoring").ok());
  EXPECT_EQ(restore("b").error().code, ErrorCode::already_exists);
}

TEST_F(MirrorTest, JournalsStayFewAndSayTheSame) {
  OpenedStore a = open("a");
  MirrorSource source(*a.impl);
  const MirrorFormats formats(a.impl->header().digest);
  mirror::Pusher pusher(source, bucket_, formats, {});
  for (int i = 0; i < 100; ++i) {
    put_result(a.store, "key " + std::to_string(i % 40), std::to_string(i));
    if (i % 3 == 0) {
      ASSERT_TRUE(a.store.results("eval").remove("key " + std::to_string(i % 7)).ok());
    }
    ASSERT_TRUE(pusher.push().ok());
  }
  EXPECT_LE(bucket_.count("stores/"), 16u);
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), contents(a.store));
}

TEST_F(MirrorTest, AWriterThatMayNotRemoveAnythingMirrorsAllTheSame) {
  bucket_.may_remove = false;
  OpenedStore a = open("a");
  for (int i = 0; i < 30; ++i) {
    put_result(a.store, "key " + std::to_string(i % 5), std::to_string(i));
    push_well(*a.impl);
  }
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), contents(a.store));
}

TEST_F(MirrorTest, BlocksThatAreTheDifferenceFromOthersComeAsThat) {
  base_ = "";
  OpenedStore a = open("a");
  std::string weights = bf16_weights(150'000, 7);
  for (int version = 0; version < 5; ++version) {
    for (std::size_t i = 0; i < weights.size(); i += 64) weights[i] = static_cast<char>(weights[i] + 1);
    write_file(inputs_ / "m.safetensors", safetensors_of({{"weights", weights}}));
    ASSERT_TRUE(a.store.archive().add({inputs_ / "m.safetensors"}, {.name = "run", .force = true}).ok());
  }
  ASSERT_GT(a.store.stats()->blocks_by_codec.count("delta"), 0u);
  push_well(*a.impl);
  OpenedStore b = open("b");
  const auto pulled = pull(*b.impl, bucket_, {.names = {"run"}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(*read_version(b.store, "run@5"), *read_version(a.store, "run@5"));
  EXPECT_GT(b.store.stats()->blocks_by_codec.count("delta"), 0u);
  expect_whole(b.store);
}

TEST_F(MirrorTest, AProgramThatOnlyReadsMirrorsBesideTheWriter) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  OpenedStore reader = open("a", Access::read_only);
  push_well(*reader.impl);
  add(a.store, "model", 3);
  push_well(*reader.impl);
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(contents(b.store), contents(a.store));
}

TEST_F(MirrorTest, AMirrorOfStoresWithAnotherDigestIsRefused) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  push_well(*a.impl);
  CreateOptions options = kSmallStore;
  options.digest = DigestKind::xxh3_128;
  ASSERT_TRUE(StoreImpl::create(fs_, "x", options).ok());
  OpenedStore x = open("x");
  EXPECT_EQ(push(*x.impl).error().code, ErrorCode::unsupported);
  EXPECT_EQ(pull(*x.impl, bucket_, {.names = {"model"}}).error().code, ErrorCode::unsupported);
}

TEST_F(MirrorTest, WhatIsDamagedHereIsNamedAndLeftOutAndTheRestIsMirrored) {
  OpenedStore a = open("a");
  add(a.store, "good", 2);
  add(a.store, "bad", 3);
  add(a.store, "good", 4);
  const RecordLocation at = block_of(*a.impl, "bad@1");
  ASSERT_TRUE(fs_.flip_bit("a/log/0000000" + std::to_string(at.segment) + ".seg", at.offset + 100, 3).ok());
  const auto report = push(*a.impl);
  ASSERT_TRUE(report.ok()) << report.error().message;
  ASSERT_EQ(report->left_out.size(), 1u);
  EXPECT_NE(report->left_out[0].find("does not match its checksum"), std::string::npos) << report->left_out[0];
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(b.store.archive().list()->size(), 2u);
  EXPECT_EQ(*read_version(b.store, "good@2"), *read_version(a.store, "good@2"));
  expect_whole(b.store);
}

TEST_F(MirrorTest, ADamagedGroupOfTheLogIsNotInTheWayOfTheRest) {
  OpenedStore a = open("a");
  for (std::uint64_t seed = 2; seed < 12; ++seed) add(a.store, "model", seed);
  ASSERT_TRUE(fs_.flip_bit("a/log/00000001.seg", 4096 + 20, 3).ok());  // the first group's head
  const auto report = push(*a.impl);
  ASSERT_TRUE(report.ok()) << report.error().message;
  ASSERT_TRUE(restore("b").ok());
  OpenedStore b = open("b");
  EXPECT_EQ(*read_version(b.store, "model@10"), *read_version(a.store, "model@10"));
  EXPECT_EQ(b.store.archive().list()->size() + report->left_out.size(), 10u);
}

}  // namespace
}  // namespace cairn::testing
