// SPDX-License-Identifier: Apache-2.0
//
// What is asked for and is not here comes from the mirror: whole, verified and kept, and asked for once.
#include "api/src/read_through.h"

#include <gtest/gtest.h>

#include "tests/store/mirroring_fixture.h"

namespace cairn::testing {
namespace {

using std::chrono::seconds;

class ReadThroughTest : public MirroringTest {
 protected:
  // An empty store that is read through the bucket.
  OpenedStore open_empty() {
    OpenedStore b = open("b");
    b.impl->read_through_from(
        std::make_unique<ReadThrough>(*b.impl, std::make_unique<ForwardingStorage>(bucket_), [this] { return now_; }));
    return b;
  }
  ReadThrough::Clock::time_point now_{seconds(1'000)};
};

TEST_F(ReadThroughTest, AVersionComesWhenItIsAskedForAndIsKept) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  add(a.store, "model", 3);
  add(a.store, "other", 4);
  push_well(*a.impl);
  OpenedStore b = open_empty();
  const auto files = read_version(b.store, "model@1");
  ASSERT_TRUE(files.ok()) << files.error().message;
  EXPECT_EQ(*files, *read_version(a.store, "model@1"));
  EXPECT_EQ(b.store.archive().list()->size(), 1u) << "what nobody asked for is not here";
  EXPECT_EQ(b.store.archive().resolve("other")->version, 1u);
  EXPECT_EQ(*read_version(b.store, "model@2"), *read_version(a.store, "model@2"));
  expect_whole(b.store);

  const std::size_t calls = bucket_.calls();
  EXPECT_EQ(*read_version(b.store, "model"), *read_version(a.store, "model"));
  EXPECT_EQ(bucket_.calls(), calls) << "it is here";
}

TEST_F(ReadThroughTest, AnObjectComesByItsIdWithItsNames) {
  OpenedStore a = open("a");
  const std::string content = random_bytes(300'000, 5);
  put_object(a.store, "first", content);
  put_object(a.store, "second", content);
  const std::string id = a.store.list()->objects.at(0).id;
  push_well(*a.impl);
  OpenedStore b = open_empty();
  EXPECT_FALSE(b.store.contains(id).value()) << "that tells of what is here";
  const auto bytes = b.store.get(id);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()), content);
  EXPECT_EQ(b.store.describe(id)->value().names.size(), 2u);
  expect_whole(b.store);
}

TEST_F(ReadThroughTest, ACheckpointIsLoadedFromTheMirror) {
  OpenedStore a = open("a");
  const std::string text = "weights of generation 7";
  ASSERT_TRUE(a.store.checkpoints("run")
                  .save(7, {{.bytes = std::as_bytes(std::span(text)), .name = "text"}}, {})
                  .committed()
                  .wait()
                  .ok());
  push_well(*a.impl);
  OpenedStore b = open_empty();
  const auto latest = b.store.checkpoints("run").latest();
  ASSERT_TRUE(latest.ok()) << latest.error().message;
  ASSERT_TRUE(*latest);
  EXPECT_EQ((*latest)->generation, 7u);
  EXPECT_EQ(*read_version(b.store, "checkpoints/run@7"), *read_version(a.store, "checkpoints/run@7"));
  EXPECT_EQ(b.store.checkpoints("run").info(8).error().code, ErrorCode::not_found);
}

TEST_F(ReadThroughTest, WhatTheMirrorDoesNotHaveIsNotAskedForAgainForAWhile) {
  OpenedStore a = open("a");
  put_object(a.store, "object", "content");
  push_well(*a.impl);
  OpenedStore b = open_empty();
  EXPECT_EQ(b.store.archive().resolve("model").error().code, ErrorCode::not_found);
  const std::size_t calls = bucket_.calls();
  EXPECT_EQ(b.store.archive().resolve("model").error().code, ErrorCode::not_found);
  EXPECT_EQ(bucket_.calls(), calls);
  add(a.store, "model", 2);
  push_well(*a.impl);
  now_ += seconds(9);
  EXPECT_EQ(b.store.archive().resolve("model").error().code, ErrorCode::not_found);
  now_ += seconds(1);
  EXPECT_TRUE(b.store.archive().resolve("model").ok());
}

TEST_F(ReadThroughTest, AnEmptyBucketHasNothingAndAnUnreachableOneSaysSo) {
  OpenedStore b = open_empty();
  EXPECT_EQ(b.store.archive().resolve("model").error().code, ErrorCode::not_found);
  now_ += seconds(10);
  bucket_.fault = [](std::size_t, const std::string&) { return MemoryStorage::Fault::refused; };
  const auto away = b.store.archive().resolve("model");
  ASSERT_FALSE(away.ok());
  EXPECT_TRUE(away.error().retryable) << "whether there is one is not known";
  const std::size_t calls = bucket_.calls();
  EXPECT_TRUE(b.store.archive().resolve("other").error().retryable);
  EXPECT_EQ(bucket_.calls(), calls) << "nobody waits for it again at once";
  bucket_.fault = {};
  now_ += seconds(10);
  EXPECT_EQ(b.store.archive().resolve("model").error().code, ErrorCode::not_found);
}

TEST_F(ReadThroughTest, WhatIsDamagedThereIsNotTaken) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  push_well(*a.impl);
  for (auto& [key, bytes] : bucket_.objects()) {
    if (key.starts_with("packs/")) bytes[bytes.size() / 3] ^= std::byte{1};
  }
  OpenedStore b = open_empty();
  const auto files = read_version(b.store, "model");
  ASSERT_FALSE(files.ok());
  EXPECT_EQ(files.error().code, ErrorCode::corruption) << files.error().message;
  EXPECT_TRUE(b.store.archive().list()->empty());
  expect_whole(b.store);
}

TEST_F(ReadThroughTest, PacksThatMovedAreFoundWhereTheyAreNow) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  push_well(*a.impl);
  OpenedStore b = open_empty();
  EXPECT_EQ(b.store.archive().resolve("none").error().code, ErrorCode::not_found);  // it knows where all is by now
  // Another mirror of the same store, in other packs.
  std::erase_if(bucket_.objects(), [](const auto& object) { return !object.first.starts_with("cairn-mirror"); });
  mirror::PushOptions small;
  small.pack_bytes = 100'000;
  push_well(*a.impl, small);
  const auto files = read_version(b.store, "model");
  ASSERT_TRUE(files.ok()) << files.error().message;
  EXPECT_EQ(*files, *read_version(a.store, "model"));
}

TEST_F(ReadThroughTest, WhatWasRemovedHereIsNotBroughtBack) {
  OpenedStore b = open_empty();
  add(b.store, "model", 2);
  put_object(b.store, "object", "content");
  const std::string id = b.store.list()->objects.at(0).id;
  push_well(*b.impl);
  ASSERT_TRUE(b.store.archive().remove("model@1").ok());
  ASSERT_TRUE(b.store.remove(id).ok());
  EXPECT_EQ(b.store.archive().resolve("model").error().code, ErrorCode::not_found);
  EXPECT_EQ(b.store.get(id).error().code, ErrorCode::not_found);
}

TEST_F(ReadThroughTest, ANameThatStoresOfTheMirrorHaveDifferentlyIsNotGuessed) {
  OpenedStore a = open("a"), c = open("c");
  add(a.store, "model", 2);
  add(c.store, "model", 3);
  push_well(*a.impl);
  push_well(*c.impl);
  OpenedStore b = open_empty();
  EXPECT_EQ(b.store.archive().resolve("model").error().code, ErrorCode::conflict);
  ASSERT_TRUE(c.store.archive().remove("model@1").ok());
  push_well(*c.impl);
  EXPECT_EQ(b.store.archive().resolve("model").error().code, ErrorCode::conflict);
  now_ += seconds(10);
  EXPECT_TRUE(b.store.archive().resolve("model").ok()) << "an error is not kept for good";
}

}  // namespace
}  // namespace cairn::testing
