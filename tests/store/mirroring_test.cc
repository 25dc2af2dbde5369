// SPDX-License-Identifier: Apache-2.0
//
// A mirror that is kept up to date: what is committed comes to it by itself, nobody waits for it, and it catches up.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "cairn/mirrors.h"
#include "replication/bucket_remote.h"
#include "tests/store/mirroring_fixture.h"

namespace cairn::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(MirroringTest, WhatIsCommittedComesToTheMirrorByItself) {
  OpenedStore a = open("a");
  start(*a.impl);
  add(a.store, "model", 2);
  put_object(a.store, "object", random_bytes(50'000, 3));
  put_result(a.store, "loss", "0.25");
  const Status mirrored = a.store.mirrors().wait_until_mirrored("remote");
  ASSERT_TRUE(mirrored.ok()) << mirrored.error().message;
  const MirroringStats stats = stats_of(a.store);
  EXPECT_EQ(stats.state, MirroringState::current);
  EXPECT_EQ(stats.lag_bytes, 0u);
  EXPECT_EQ(stats.lag_records, 0u);
  EXPECT_EQ(stats.lag.count(), 0);
  EXPECT_GT(stats.sent.statements, 0u);
  EXPECT_GT(stats.sent.sent_bytes, 50'000u);
  expect_restored(a.store);

  put_result(a.store, "loss", "0.125");
  ASSERT_TRUE(a.store.archive().remove("model@1").ok());
  ASSERT_TRUE(a.store.mirrors().wait_until_mirrored("remote").ok());
  expect_restored(a.store);
}

TEST_F(MirroringTest, ATicketIsWaitedForUntilItsObjectCanBeRestored) {
  OpenedStore a = open("a");
  // It would wait for more: whoever waits for it is why it does not.
  start(*a.impl, {.linger = std::chrono::hours(24), .nice = 0});
  const std::string content = random_bytes(10'000, 1);
  const Ticket ticket = a.store.put_async({.bytes = std::as_bytes(std::span(content)), .name = "object"});
  const Status mirrored = a.store.mirrors().wait_until_mirrored("remote", ticket);
  ASSERT_TRUE(mirrored.ok()) << mirrored.error().message;
  expect_restored(a.store);
}

TEST_F(MirroringTest, ItGoesOnFromWhereTheMirrorEnds) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  push_well(*a.impl);
  const std::uint64_t before = bucket_.bytes("");
  start(*a.impl);
  ASSERT_TRUE(a.store.mirrors().wait_until_mirrored("remote").ok());
  EXPECT_EQ(stats_of(a.store).sent.requests, 0u);
  EXPECT_EQ(bucket_.bytes(""), before);
}

TEST_F(MirroringTest, WhileTheRemoteIsAwayNobodyWaitsAndItCatchesUp) {
  OpenedStore a = open("a");
  std::atomic<bool> away = true;
  bucket_.fault = [&](std::size_t, const std::string&) {
    return away ? MemoryStorage::Fault::refused : MemoryStorage::Fault::none;
  };
  start(*a.impl);
  for (std::uint64_t seed = 2; seed < 6; ++seed) add(a.store, "model", seed);
  const Status late = a.store.mirrors().wait_until_mirrored("remote", milliseconds(1));
  ASSERT_FALSE(late.ok());
  EXPECT_TRUE(late.error().retryable) << late.error().message;
  // Reclaiming does not wait for it either.
  for (const char* ref : {"model@1", "model@2", "model@3"}) ASSERT_TRUE(a.store.archive().remove(ref).ok());
  const auto freed = a.store.gc({.max_dead = 0});
  ASSERT_TRUE(freed.ok()) << freed.error().message;
  EXPECT_GT(freed->freed_bytes, 0u);

  away = false;
  const Status mirrored = a.store.mirrors().wait_until_mirrored("remote");
  ASSERT_TRUE(mirrored.ok()) << mirrored.error().message;
  const MirroringStats stats = stats_of(a.store);
  EXPECT_TRUE(stats.error.empty()) << stats.error;
  expect_restored(a.store);
}

TEST_F(MirroringTest, AFailureIsToldWithWhatFailedAndWhenItIsTriedAgain) {
  OpenedStore a = open("a");
  bucket_.fault = [](std::size_t, const std::string&) { return MemoryStorage::Fault::refused; };
  start(*a.impl);
  put_object(a.store, "object", "content");
  while (stats_of(a.store).failures == 0 || stats_of(a.store).lag_records == 0) std::this_thread::yield();
  const MirroringStats stats = stats_of(a.store);
  EXPECT_EQ(stats.state, MirroringState::failing);
  EXPECT_NE(stats.error.find("the connection was reset"), std::string::npos) << stats.error;
  EXPECT_EQ(stats.pushes, 0u);
  EXPECT_GT(stats.lag_bytes, 0u);
  const std::string metrics = a.store.metrics_text();
  EXPECT_NE(metrics.find("cairn_mirror_failing{mirror=\"remote\"} 1\n"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("cairn_mirror_lag_bytes{mirror=\"remote\"} "), std::string::npos) << metrics;
  EXPECT_NE(a.store.state_dump().find("the connection was reset"), std::string::npos) << a.store.state_dump();
}

TEST_F(MirroringTest, WhatDoesNotGoAwayByItselfIsToldAtOnce) {
  OpenedStore a = open("a");
  const std::string_view other = "cairn mirror 1\ndigest xxh3-128\n";
  const auto* const bytes = reinterpret_cast<const std::byte*>(other.data());
  bucket_.objects()["cairn-mirror"] = {bytes, bytes + other.size()};
  start(*a.impl);
  put_object(a.store, "object", "content");
  const Status refused = a.store.mirrors().wait_until_mirrored("remote");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ(bucket_.objects().size(), 1u);
}

TEST_F(MirroringTest, NothingIsSentWhileItIsPaused) {
  OpenedStore a = open("a");
  start(*a.impl);
  ASSERT_TRUE(a.store.mirrors().wait_until_mirrored("remote").ok());
  ASSERT_TRUE(a.store.mirrors().pause("remote").ok());
  ASSERT_TRUE(a.store.mirrors().pause("remote").ok());
  const std::size_t calls = bucket_.calls();
  put_object(a.store, "object", "content");
  while (stats_of(a.store).lag_records == 0) std::this_thread::yield();
  EXPECT_EQ(stats_of(a.store).state, MirroringState::paused);
  EXPECT_FALSE(a.store.mirrors().wait_until_mirrored("remote", milliseconds(1)).ok());
  ASSERT_TRUE(a.store.mirrors().resume("remote").ok());
  EXPECT_EQ(stats_of(a.store).state, MirroringState::paused) << "it was paused twice";
  EXPECT_EQ(bucket_.calls(), calls);
  ASSERT_TRUE(a.store.mirrors().resume("remote").ok());
  ASSERT_TRUE(a.store.mirrors().wait_until_mirrored("remote").ok());
  expect_restored(a.store);
}

TEST_F(MirroringTest, APauseLooksAnewAtWhatSomebodyElseHasSent) {
  OpenedStore a = open("a"), b = open("b");
  start(*a.impl);
  ASSERT_TRUE(a.store.mirrors().wait_until_mirrored("remote").ok());
  ASSERT_TRUE(a.store.mirrors().pause("remote").ok());
  add(b.store, "model", 2);
  push_well(*b.impl);
  add(a.store, "model", 2);
  ASSERT_TRUE(a.store.mirrors().resume("remote").ok());
  ASSERT_TRUE(a.store.mirrors().wait_until_mirrored("remote").ok());
  EXPECT_LT(stats_of(a.store).sent.content_bytes, 10'000u) << "the blocks were there";
}

TEST_F(MirroringTest, AServerThatHangsHoldsUpNeitherPutsNorClosing) {
  OpenedStore a = open("a");
  auto hanging = std::make_unique<HangingStorage>(bucket_);
  HangingStorage& storage = *hanging;
  storage.hang(true);
  ASSERT_TRUE(a.impl->running_mirrors().start("remote", mirror_of(*a.impl, std::move(hanging)), eager()).ok());
  put_object(a.store, "object", random_bytes(1'000, 1));
  storage.wait_until_hung();
  put_object(a.store, "other", random_bytes(1'000, 2));
  EXPECT_EQ(stats_of(a.store).state, MirroringState::pushing);
  const auto before = contents(a.store);
  ASSERT_TRUE(a.store.close().ok());
  OpenedStore again = open("a");
  EXPECT_EQ(contents(again.store), before);
}

TEST_F(MirroringTest, StoppingEndsItAndItCanBeStartedAgain) {
  OpenedStore a = open("a");
  start(*a.impl);
  auto again = mirror_of(*a.impl, std::make_unique<ForwardingStorage>(bucket_));
  EXPECT_EQ(a.impl->running_mirrors().start("remote", std::move(again), {}).error().code, ErrorCode::already_exists);
  EXPECT_TRUE(a.store.mirrors().stop("remote").value());
  EXPECT_FALSE(a.store.mirrors().stop("remote").value());
  EXPECT_EQ(a.store.mirrors().mirroring("remote").error().code, ErrorCode::not_found);
  EXPECT_EQ(a.store.mirrors().wait_until_mirrored("remote").error().code, ErrorCode::not_found);
  put_object(a.store, "object", "content");
  start(*a.impl);
  ASSERT_TRUE(a.store.mirrors().wait_until_mirrored("remote").ok());
  expect_restored(a.store);
}

TEST_F(MirroringTest, WhatIsDamagedHereIsNotSaidToBeMirrored) {
  OpenedStore a = open("a");
  add(a.store, "model", 2);
  const RecordLocation at = block_of(*a.impl, "model");
  ASSERT_TRUE(a.store.close().ok());
  ASSERT_TRUE(fs_.flip_bit("a/log/0000000" + std::to_string(at.segment) + ".seg", at.offset + 100, 3).ok());
  OpenedStore again = open("a");
  start(*again.impl);
  const Status mirrored = again.store.mirrors().wait_until_mirrored("remote");
  ASSERT_FALSE(mirrored.ok());
  EXPECT_EQ(mirrored.error().code, ErrorCode::corruption) << mirrored.error().message;
  EXPECT_EQ(stats_of(again.store).sent.left_out.size(), 1u);

  // The device has come to its senses.
  ASSERT_TRUE(fs_.flip_bit("a/log/0000000" + std::to_string(at.segment) + ".seg", at.offset + 100, 3).ok());
  put_object(again.store, "object", "content");
  const Status whole = again.store.mirrors().wait_until_mirrored("remote");
  EXPECT_TRUE(whole.ok()) << whole.error().message;
  expect_restored(again.store);
}

TEST_F(MirroringTest, WhatIsNotCommittedIsNotSaidToBeMirrored) {
  OpenedStore a = open("a");
  start(*a.impl);
  ASSERT_TRUE(a.store.mirrors().wait_until_mirrored("remote").ok());
  fs_.fail_at(1, {.code = ErrorCode::io, .message = "the device is gone"}, Repeat::forever);
  const std::string content = random_bytes(1'000, 1);
  const Ticket ticket = a.store.put_async({.bytes = std::as_bytes(std::span(content)), .name = "object"});
  EXPECT_FALSE(a.store.mirrors().wait_until_mirrored("remote").ok());
  EXPECT_FALSE(a.store.mirrors().wait_until_mirrored("remote", ticket).ok());
}

TEST_F(MirroringTest, StoppingAndClosingAtTheSameTimeEndBoth) {
  for (int round = 0; round < 20; ++round) {
    OpenedStore a = open("a");
    start(*a.impl);
    put_object(a.store, std::to_string(round), "content");
    std::thread stopping([&] { static_cast<void>(a.store.mirrors().stop("remote").ok()); });
    EXPECT_TRUE(a.store.close().ok());
    stopping.join();
  }
}

TEST_F(MirroringTest, AReaderMirrorsWhatTheWriterCommits) {
  OpenedStore a = open("a");
  OpenedStore reader = open("a", Access::read_only);
  start(*reader.impl);
  put_object(a.store, "object", random_bytes(10'000, 1));
  const Status mirrored = reader.store.mirrors().wait_until_mirrored("remote");
  ASSERT_TRUE(mirrored.ok()) << mirrored.error().message;
  expect_restored(a.store);
}

TEST_F(MirroringTest, BesidePutsRemovalsAndReclaimingTheMirrorEndsAsTheStoreDoes) {
  OpenedStore a = open("a");
  // While they write each thirteenth call fails, before or after it did something.
  std::atomic<bool> writing = true;
  bucket_.fault = [&](std::size_t call, const std::string&) {
    return !writing || call % 13 != 0 ? MemoryStorage::Fault::none
           : call % 2 == 0            ? MemoryStorage::Fault::refused
                                      : MemoryStorage::Fault::answer_lost;
  };
  const auto options = [] {
    mirror::MirrorOptions eager;
    eager.linger = milliseconds(0);
    eager.interval = milliseconds(1);
    eager.retry_first = milliseconds(1);
    eager.retry_max = milliseconds(2);
    return eager;
  }();
  MirrorSource source(*a.impl);
  const MirrorFormats formats(DigestKind::blake3);
  mirror::BucketRemote remote(source, bucket_, formats, {});
  mirror::Mirror mirror(source, remote, options);
  ASSERT_TRUE(mirror.start().ok());
  std::vector<std::thread> writers;
  for (std::uint64_t writer = 0; writer < 3; ++writer) {
    writers.emplace_back([&, writer] {
      for (std::uint64_t i = 0; i < 20; ++i) {
        const std::string name = std::to_string(writer) + "." + std::to_string(i);
        const std::string content = random_bytes(3'000, 100 * writer + i);
        const auto id = a.store.put({.bytes = std::as_bytes(std::span(content)), .name = name});
        ASSERT_TRUE(id.ok()) << id.error().message;
        put_result(a.store, name, std::to_string(i));
        if (i % 3 == 0) {
          ASSERT_TRUE(a.store.remove(*id).ok());
        }
        if (i % 10 == 9) {
          ASSERT_TRUE(a.store.gc({.max_dead = 0}).ok());
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  writing = false;
  a.impl->settle_puts();
  const Position end = a.impl->index().applied();
  const Status mirrored = mirror.wait_until({end.segment, end.offset}, std::chrono::nanoseconds::max());
  ASSERT_TRUE(mirrored.ok()) << mirrored.error().message;
  mirror.stop();
  bucket_.fault = {};
  expect_restored(a.store);
}

// How often the thread has looked where the log ends.
class CountingSource final : public mirror::Source {
 public:
  explicit CountingSource(StoreImpl& store) : source_(store) {}
  mirror::StoreFacts facts() const override { return source_.facts(); }
  Result<Changes> changes(const mirror::Cursor& from, std::size_t bytes_max) override {
    return source_.changes(from, bytes_max);
  }
  Result<std::optional<mirror::Statement>> current(const mirror::Statement& like) override {
    return source_.current(like);
  }
  Result<Head> head() override {
    ++looks;
    return source_.head();
  }
  std::uint64_t bytes_between(const mirror::Cursor& from, const mirror::Cursor& to) override {
    return source_.bytes_between(from, to);
  }
  Result<std::optional<std::uint64_t>> mark_at(const mirror::Cursor& at) override { return source_.mark_at(at); }
  Result<std::optional<mirror::Content>> read(const mirror::ContentId& id) override { return source_.read(id); }

  std::atomic<std::size_t> looks = 0;

 private:
  MirrorSource source_;
};

TEST_F(MirroringTest, NothingIsAskedWhileNothingIsNew) {
  OpenedStore a = open("a");
  put_object(a.store, "object", "content");
  CountingSource source(*a.impl);
  const MirrorFormats formats(DigestKind::blake3);
  mirror::MirrorOptions options;
  options.linger = milliseconds(0);
  options.interval = milliseconds(1);
  mirror::BucketRemote remote(source, bucket_, formats, {});
  mirror::Mirror mirror(source, remote, options);
  ASSERT_TRUE(mirror.start().ok());
  const Position end = a.impl->index().applied();
  ASSERT_TRUE(mirror.wait_until({end.segment, end.offset}, std::chrono::nanoseconds::max()).ok());
  const std::size_t calls = bucket_.calls(), looks = source.looks;
  while (source.looks < looks + 20) std::this_thread::yield();
  EXPECT_EQ(bucket_.calls(), calls);
  mirror.stop();
}

// Takes everything at once.
class CountingRemote final : public mirror::Remote {
 public:
  explicit CountingRemote(mirror::Source& source) : source_(source) {}
  Result<mirror::PushReport> push(const mirror::PushProgress&) override {
    CAIRN_TRY(const auto head, source_.head());
    mirror::PushReport report;
    report.to = head.at;
    ++pushes;
    return report;
  }
  void forget() override { ++forgotten; }
  void rest() override {
    ++rests;
    rested_behind = pushes.load();
  }
  void stop() override {}

  void wait_until_it_rests() const {
    while (rested_behind < pushes) std::this_thread::yield();
  }
  std::atomic<int> pushes = 0, forgotten = 0, rests = 0, rested_behind = 0;

 private:
  mirror::Source& source_;
};

TEST_F(MirroringTest, ARemoteRestsOnceWhileNothingIsNewAndForgetsAtAPauseAndTheEnd) {
  OpenedStore a = open("a");
  CountingSource source(*a.impl);
  CountingRemote remote(source);
  mirror::MirrorOptions options;
  options.linger = options.rest_after = milliseconds(0);
  options.interval = milliseconds(1);
  mirror::Mirror mirror(source, remote, options);
  const auto put_and_wait = [&](const std::string& name) {
    put_object(a.store, name, "content of " + name);
    const Position end = a.impl->index().applied();
    ASSERT_TRUE(mirror.wait_until({end.segment, end.offset}, std::chrono::nanoseconds::max()).ok());
  };
  ASSERT_TRUE(mirror.start().ok());
  put_and_wait("one");
  remote.wait_until_it_rests();
  const int rests = remote.rests;
  const std::size_t looks = source.looks;
  while (source.looks < looks + 20) std::this_thread::yield();
  EXPECT_EQ(remote.rests, rests);
  EXPECT_EQ(remote.forgotten, 0);
  mirror.pause();
  EXPECT_EQ(remote.forgotten, 1);
  mirror.resume();
  put_and_wait("two");
  remote.wait_until_it_rests();
  EXPECT_GT(remote.rests, rests);
  mirror.stop();
  EXPECT_EQ(remote.forgotten, 2);
}

}  // namespace
}  // namespace cairn::testing
