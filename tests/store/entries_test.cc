// SPDX-License-Identifier: Apache-2.0
//
// Entries in the log and the index: what is accepted is read at once, what is committed stays,
// whatever becomes of the segments it is in.
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "api/src/tables.h"
#include "engine/content/digester.h"
#include "engine/results/entry_key.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/segmented_store.h"

namespace cairn::testing {
namespace {

using Order = EntryStore::Order;

class EntriesTest : public ::testing::Test {
 protected:
  LogEntryStore& entries() { return log_.impl().tables().value()->entries; }

  std::uint64_t write(std::vector<EntryChange> changes) {
    const auto written = entries().write(std::move(changes));
    EXPECT_TRUE(written.ok()) << written.error().message;
    const Status committed = written->ticket.committed().wait();
    EXPECT_TRUE(committed.ok()) << committed.error().message;
    return written->version;
  }
  std::string value_of(const std::string& key) {
    const auto found = entries().find(key).value();
    return found ? found->value : "(none)";
  }
  std::string keys(std::string_view prefix, Order order = Order::ascending, std::string_view from = {}) {
    std::string keys;
    const auto visit = [&](std::string_view key, const Entry&) -> Result<bool> {
      keys.append(keys.empty() ? "" : " ").append(key);
      return true;
    };
    EXPECT_TRUE(entries().scan(prefix, order, from, visit).ok());
    return keys;
  }
  std::string indexed(std::string_view prefix, Order order = Order::ascending, std::string_view from = {}) {
    std::string all;
    const auto visit = [&](std::string_view index_key, std::string_view key) -> Result<bool> {
      all.append(all.empty() ? "" : " ").append(index_key).append("=").append(key);
      return true;
    };
    EXPECT_TRUE(entries().scan_index(prefix, order, from, visit).ok());
    return all;
  }

  SegmentedStore log_;
};

TEST_F(EntriesTest, ContentThatIsPutAlongLivesAsLongAsItsEntry) {
  const std::string content = random_bytes(50'000, 1);
  write({{.key = "k", .value = "v", .content = content}, {.key = "other", .value = "v", .content = content}});
  const auto found = entries().find("k");
  ASSERT_TRUE(found.ok() && *found);
  const std::vector<Reference>& references = (*found)->references;
  ASSERT_EQ(references.size(), 1u);
  const Reference reference = references.front();
  EXPECT_EQ(entries().content(reference).value(), content);
  log_.reopen();
  EXPECT_EQ(entries().content(reference).value(), content);
  write({{.key = "k", .value = "another"}});
  ASSERT_TRUE(log_.store().gc({.max_dead = 0}).ok());
  EXPECT_EQ(entries().content(reference).value(), content);
  write({{.key = "other", .removed = true}});
  ASSERT_TRUE(log_.store().gc({.max_dead = 0}).ok());
  EXPECT_EQ(entries().content(reference).error().code, ErrorCode::not_found);
  EXPECT_TRUE(log_.store().check({.read_data = true}).value().damaged.empty());
}

TEST_F(EntriesTest, ContentOfManyBlocksIsReadAtOnceAndHasALimit) {
  const std::string content = random_bytes(3 * MiB + 5, 2);
  const auto written = entries().write({{.key = "k", .value = "v", .content = content}});
  ASSERT_TRUE(written.ok()) << written.error().message;
  const Reference reference = entries().find("k").value()->references.front();
  EXPECT_EQ(entries().content(reference).value(), content);
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_EQ(entries().content(reference).value(), content);
  const std::string too_much(entries().content_bytes_max() / 2 + 1, 'x');
  const auto refused = entries().write({{.key = "a", .content = too_much}, {.key = "b", .content = too_much}});
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
}

TEST_F(EntriesTest, WhatIsAcceptedIsReadAtOnceAndStaysAfterAnOpening) {
  const auto written = entries().write({{.key = "k", .value = "v"}});
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(value_of("k"), "v");
  EXPECT_EQ(entries().find("k").value()->version, written->version);
  ASSERT_TRUE(written->ticket.synced().wait().ok());
  log_.reopen();
  EXPECT_EQ(value_of("k"), "v");
  EXPECT_EQ(entries().find("k").value()->version, written->version);
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_EQ(value_of("k"), "v");
}

TEST_F(EntriesTest, AWriteWithoutATicketIsCommittedWhenTheStoreCloses) {
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(
        entries().write({{.key = "k" + std::to_string(i), .value = "v"}}, {.durability = Durability::lazy}).ok());
  }
  log_.reopen();
  for (int i = 0; i < 500; ++i) ASSERT_EQ(value_of("k" + std::to_string(i)), "v") << i;
}

TEST_F(EntriesTest, VersionsGrowAlsoOverOpeningsAndRebuilding) {
  const std::uint64_t first = write({{.key = "a", .value = "1"}});
  const std::uint64_t second = write({{.key = "b", .value = "1"}});
  EXPECT_GT(second, first);
  write({{.key = "b", .removed = true}});
  log_.reopen();
  const std::uint64_t third = write({{.key = "c", .value = "1"}});
  EXPECT_GT(third, second);
  write({{.key = "c", .removed = true}});
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_GT(write({{.key = "d", .value = "1"}}), third);
}

TEST_F(EntriesTest, OfTwoThatRelyOnTheSameVersionOneWritesNothing) {
  const std::uint64_t version = write({{.key = "k", .value = "1"}});
  const auto first = entries().write({{.key = "k", .value = "2", .if_version = version}});
  const auto second =
      entries().write({{.key = "other", .value = "2"}, {.key = "k", .value = "3", .if_version = version}});
  ASSERT_TRUE(first.ok());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_EQ(value_of("k"), "2");
  EXPECT_EQ(value_of("other"), "(none)");
  const auto absent = entries().write({{.key = "new", .value = "1", .if_version = 0}});
  ASSERT_TRUE(absent.ok());
  EXPECT_FALSE(entries().write({{.key = "new", .value = "2", .if_version = 0}}).ok());
  ASSERT_TRUE(entries().write({{.key = "new", .removed = true, .if_version = absent->version}}).ok());
  EXPECT_TRUE(entries().write({{.key = "new", .value = "3", .if_version = 0}}).ok());
}

TEST_F(EntriesTest, ThreadsThatRaiseANumberLoseNone) {
  write({{.key = "n", .value = "0"}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int done = 0; done < 50;) {
        const auto now = entries().find("n").value();
        const auto raised = entries().write(
            {{.key = "n", .value = std::to_string(std::stoi(now->value) + 1), .if_version = now->version}});
        done += raised.ok() ? 1 : 0;
        ASSERT_TRUE(raised.ok() || raised.error().code == ErrorCode::conflict) << raised.error().message;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(value_of("n"), "200");
  log_.reopen();
  EXPECT_EQ(value_of("n"), "200");
}

TEST_F(EntriesTest, ScansGoBothWaysFromWhereTheyAreTold) {
  write({{.key = "p1", .value = "v"},
         {.key = "p2", .value = "v"},
         {.key = "p3", .value = "v"},
         {.key = "q", .value = "v"}});
  for (int reopened = 0; reopened < 2; ++reopened) {
    EXPECT_EQ(keys("p"), "p1 p2 p3");
    EXPECT_EQ(keys("p", Order::descending), "p3 p2 p1");
    EXPECT_EQ(keys("p", Order::ascending, "p2"), "p2 p3");
    EXPECT_EQ(keys("p", Order::descending, "p2"), "p2 p1");
    EXPECT_EQ(keys("p", Order::ascending, "p11"), "p2 p3");
    EXPECT_EQ(keys("p", Order::descending, "p22"), "p2 p1");
    EXPECT_EQ(keys("r"), "");
    log_.reopen();
  }
}

TEST_F(EntriesTest, IndexKeysFollowTheirEntry) {
  const std::string zeros("\0\0", 2);
  write({{.key = "a", .value = "1", .index_keys = {"i1", "i2"}}, {.key = "b", .value = "1", .index_keys = {"i2"}}});
  EXPECT_EQ(indexed("i"), "i1=a i2=a i2=b");
  EXPECT_EQ(indexed("i", Order::descending), "i2=b i2=a i1=a");
  EXPECT_EQ(indexed("i", Order::ascending, "i2"), "i2=a i2=b");
  EXPECT_EQ(indexed("i", Order::descending, "i1"), "i1=a");
  write({{.key = "a", .value = "2", .index_keys = {"i2", "i3" + zeros}}});
  EXPECT_EQ(indexed("i"), "i2=a i2=b i3" + zeros + "=a");
  EXPECT_EQ(indexed("i3" + zeros), "i3" + zeros + "=a");
  write({{.key = "b", .removed = true}});
  EXPECT_EQ(indexed("i"), "i2=a i3" + zeros + "=a");
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_EQ(indexed("i"), "i2=a i3" + zeros + "=a");
}

TEST_F(EntriesTest, WhatAnEntryRefersToLivesAsLongAsItDoes) {
  const std::string content = random_bytes(20'000, 7);
  const std::string id = log_.store().put({.bytes = std::as_bytes(std::span(content))}).value();
  const Digest digest = parse_digest(DigestKind::blake3, id).value();
  write({{.key = "k", .value = "v", .references = {{RecordKind::blob, digest}}}});
  ASSERT_TRUE(log_.store().remove(id).value());
  EXPECT_EQ(log_.impl().index().references(RecordKind::blob, digest).value(), 1u);
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_EQ(log_.impl().index().references(RecordKind::blob, digest).value(), 1u);
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
  write({{.key = "k", .value = "v"}});
  EXPECT_EQ(log_.impl().index().references(RecordKind::blob, digest).value(), 0u);
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
}

TEST_F(EntriesTest, ReclaimingCarriesWhatIsCurrentAndNothingElse) {
  write({{.key = "stays", .value = "1", .index_keys = {"i"}},
         {.key = "changes", .value = "old"},
         {.key = "goes", .value = "1"}});
  const auto passing = log_.fill();
  write({{.key = "changes", .value = "new"}});
  write({{.key = "goes", .removed = true}});
  log_.fill();
  log_.remove(passing);
  ASSERT_GT(log_.store().gc({.max_dead = 0}).value().segments, 0u);
  ASSERT_GT(log_.segments().front(), 1u) << "the first segment is gone";
  for (int rebuilt = 0; rebuilt < 2; ++rebuilt) {
    EXPECT_EQ(value_of("stays"), "1");
    EXPECT_EQ(value_of("changes"), "new");
    EXPECT_EQ(value_of("goes"), "(none)");
    EXPECT_EQ(indexed("i"), "i=stays");
    EXPECT_EQ(wrong_with_counts(log_.store()), "");
    ASSERT_TRUE(log_.rebuild().empty());
  }
}

TEST_F(EntriesTest, AReaderFollowsTheWriter) {
  write({{.key = "a", .value = "1", .index_keys = {"i"}}});
  auto impl = StoreImpl::open(log_.fs(), "store", {.access = Access::read_only, .threads = 2}, {}).value();
  LogEntryStore& reader = impl->tables().value()->entries;
  EXPECT_EQ(reader.find("a").value()->value, "1");
  write({{.key = "a", .value = "2", .index_keys = {"j"}}});
  write({{.key = "b", .value = "1"}});
  EXPECT_EQ(reader.find("a").value()->value, "2");
  EXPECT_EQ(reader.find("b").value()->value, "1");
  std::string all;
  const auto visit = [&](std::string_view index_key, std::string_view key) -> Result<bool> {
    all.append(index_key).append("=").append(key);
    return true;
  };
  ASSERT_TRUE(reader.scan_index("", Order::ascending, {}, visit).ok());
  EXPECT_EQ(all, "j=a");
  const auto refused = reader.write({{.key = "a", .value = "3"}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
}

TEST_F(EntriesTest, WhatIsTooLargeOrEmptyIsRefusedByName) {
  const auto code = [&](EntryChange change) {
    const auto written = entries().write({std::move(change)});
    return written.ok() ? ErrorCode::cancelled : written.error().code;
  };
  EXPECT_EQ(code({.key = ""}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.key = std::string(kEntryKeyBytesMax + 1, 'k')}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.key = "k", .value = std::string(kEntryValueBytesMax + 1, 'v')}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.key = "k", .index_keys = {""}}), ErrorCode::invalid_argument);
  EXPECT_FALSE(entries().write({}).ok());
  EXPECT_FALSE(entries().write({{.key = "k", .value = "1"}, {.key = "k", .value = "2"}}).ok());
  EXPECT_EQ(value_of("k"), "(none)");
  write({{.key = std::string(kEntryKeyBytesMax, 'k'), .value = std::string(kEntryValueBytesMax, 'v')}});
  log_.reopen();
  EXPECT_EQ(value_of(std::string(kEntryKeyBytesMax, 'k')).size(), kEntryValueBytesMax);
}

TEST_F(EntriesTest, WritesOfMoreThanOneRecordAreAllThere) {
  const std::string large(kEntryValueBytesMax, 'v');
  std::vector<Ticket> tickets;
  for (int i = 0; i < 40; ++i) {
    const auto written = entries().write({{.key = "k" + std::to_string(i), .value = large}});
    ASSERT_TRUE(written.ok());
    tickets.push_back(written->ticket);
  }
  for (const Ticket& ticket : tickets) ASSERT_TRUE(ticket.committed().wait().ok());
  EXPECT_LE(entries().stats().cache.bytes, entries().cache().limit());
  log_.reopen();
  for (int i = 0; i < 40; ++i) EXPECT_EQ(value_of("k" + std::to_string(i)).size(), large.size()) << i;
}

TEST_F(EntriesTest, WithoutTheBudgetAWriteIsRefusedOrWaits) {
  LogEntryStore* const table = &entries();
  // Nothing is committed while somebody else has the log's turn.
  auto turn = log_.impl().begin_writing().value();
  const std::string value(kEntryValueBytesMax, 'v');
  std::uint64_t accepted = 0;
  for (;; ++accepted) {
    const auto written = table->write({{.key = std::to_string(accepted), .value = value}}, {.on_full = OnFull::fail});
    if (written.ok()) continue;
    ASSERT_EQ(written.error().code, ErrorCode::overloaded);
    EXPECT_TRUE(written.error().retryable);
    break;
  }
  EXPECT_EQ(accepted, 31u);  // of 32 MiB, keys and all
  EXPECT_FALSE(table->write({{.key = "d", .value = value}}, {.on_full = OnFull::drop}).ok());
  EXPECT_EQ(table->stats().refused, 1u);
  EXPECT_EQ(table->stats().dropped, 1u);
  std::thread waiting([&] { EXPECT_TRUE(table->write({{.key = "waits", .value = value}}).ok()); });
  { const auto given_back = std::move(turn); }
  waiting.join();
  EXPECT_EQ(value_of("waits").size(), value.size());
}

TEST_F(EntriesTest, WhoeverComesLaterIsBehindALargeWriteThatWaits) {
  LogEntryStore* const table = &entries();
  auto turn = log_.impl().begin_writing().value();
  ASSERT_TRUE(table->write({{.key = "first", .value = "1"}}, {.durability = Durability::lazy}).ok());
  const std::string content = random_bytes(33 * MiB, 3);
  std::thread large([&] { EXPECT_TRUE(table->write({{.key = "large", .content = content}}).ok()); });
  while (table->stats().waiting < 1) std::this_thread::yield();
  const auto refused = table->write({{.key = "small", .value = "1"}}, {.on_full = OnFull::fail});
  EXPECT_TRUE(!refused.ok() && refused.error().code == ErrorCode::overloaded);
  std::thread small([&] { EXPECT_TRUE(table->write({{.key = "small", .value = "1"}}).ok()); });
  while (table->stats().waiting < 2) std::this_thread::yield();
  { const auto given_back = std::move(turn); }
  large.join();
  small.join();
  EXPECT_GT(table->find("small").value()->version, table->find("large").value()->version);
  EXPECT_EQ(table->stats().waiting, 0u);
}

TEST_F(EntriesTest, WorkThatIsHandedOverDuringACommitIsDone) {
  LogEntryStore* const table = &entries();
  auto turn = log_.impl().begin_writing().value();
  // Nobody but who commits is woken for it.
  std::thread commits([&] { EXPECT_TRUE(table->commit({{.key = "k", .value = "v"}}).ok()); });
  while (table->stats().pending == 0) std::this_thread::yield();
  std::promise<void> done;
  ASSERT_TRUE(table->in_background([&] {
    done.set_value();
    return false;
  }));
  { const auto given_back = std::move(turn); }
  commits.join();
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
}

TEST_F(EntriesTest, WhatIsLazyMakesRoomWhenTheBudgetNeedsIt) {
  const std::string value(kEntryValueBytesMax, 'v');
  std::uint64_t refused = 0;
  for (int i = 0; i < 100; ++i) {
    const auto written = entries().write({{.key = std::to_string(i), .value = value}},
                                         {.on_full = OnFull::fail, .durability = Durability::lazy});
    if (written.ok()) continue;
    // Refused once, and taken when what was pending is committed.
    ++refused;
    static_cast<void>(entries().stats());
    std::this_thread::yield();
    --i;
    ASSERT_LT(refused, 10'000'000u) << "nobody makes room";
  }
  log_.reopen();
  EXPECT_EQ(value_of("99").size(), value.size());
}

TEST_F(EntriesTest, ACallbackOfAFailedWriteMayWrite) {
  write({{.key = "a", .value = "1"}});
  log_.fs().fail_at(1, {.code = ErrorCode::io, .message = "planned EIO"}, Repeat::forever);
  const auto lost = entries().write({{.key = "b", .value = "2"}}, {.durability = Durability::lazy});
  ASSERT_TRUE(lost.ok());
  std::optional<ErrorCode> of_the_next;
  LogEntryStore& table = entries();
  lost->ticket.committed().on_ready([&](const Status&) {
    const auto next = table.write({{.key = "c", .value = "3"}}, {.on_full = OnFull::fail});
    of_the_next = next.ok() ? ErrorCode::cancelled : next.error().code;
  });
  EXPECT_FALSE(lost->ticket.committed().wait().ok());
  EXPECT_FALSE(table.settle().ok());
  log_.fs().clear_faults();
  static_cast<void>(log_.store().close().ok());
  ASSERT_TRUE(of_the_next);
  EXPECT_NE(*of_the_next, ErrorCode::cancelled);
}

TEST_F(EntriesTest, TheTimeInWhichNothingWasWrittenCountsAfterAnOpening) {
  write({{.key = "k", .value = "v"}});
  const std::uint64_t known = log_.impl().index().clock().value()->store_time_ns;
  while (entries().store_time_ns() < known + 1'100'000'000) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  log_.reopen();
  EXPECT_GE(log_.impl().index().clock().value()->store_time_ns, known + 1'100'000'000);
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_GE(log_.impl().index().clock().value()->store_time_ns, known + 1'100'000'000);
}

TEST_F(EntriesTest, AfterAFailureOfTheLogNothingIsAcceptedAndWhatIsCommittedIsRead) {
  write({{.key = "a", .value = "1"}});
  log_.fs().fail_at(1, {.code = ErrorCode::io, .message = "planned EIO"}, Repeat::forever);
  const auto lost = entries().write({{.key = "a", .value = "2"}, {.key = "b", .value = "2"}});
  ASSERT_TRUE(lost.ok());
  EXPECT_FALSE(lost->ticket.committed().wait().ok());
  EXPECT_EQ(value_of("a"), "1");
  EXPECT_EQ(value_of("b"), "(none)");
  EXPECT_FALSE(entries().write({{.key = "c", .value = "1"}}).ok());
  EXPECT_EQ(entries().stats().failed, 1u);
  log_.fs().clear_faults();
  static_cast<void>(log_.store().close().ok());
}

TEST_F(EntriesTest, WhenARemovalFailsWhatReliedOnItIsGoneFromMemory) {
  write({{.key = "k", .value = "1"}});
  log_.fs().fail_at(1, {.code = ErrorCode::io, .message = "planned EIO"}, Repeat::forever);
  // The second relies on the first one's removal, and has its fate.
  const auto first =
      entries().write({{.key = "k", .value = "2", .memory_only = true}}, {.durability = Durability::lazy});
  const auto second =
      entries().write({{.key = "k", .value = "3", .memory_only = true}}, {.durability = Durability::lazy});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(value_of("k"), "3");
  EXPECT_FALSE(second->ticket.committed().wait().ok());
  EXPECT_FALSE(first->ticket.committed().wait().ok());
  EXPECT_EQ(value_of("k"), "1");
  log_.fs().clear_faults();
  static_cast<void>(log_.store().close().ok());
}

TEST_F(EntriesTest, AWriteInMemoryIsTakenBackWholeWhenAPartOfItFails) {
  write({{.key = "there", .value = "1"}});
  log_.fs().fail_at(1, {.code = ErrorCode::io, .message = "planned EIO"}, Repeat::forever);
  const auto both = entries().write(
      {{.key = "new", .value = "2", .memory_only = true}, {.key = "there", .value = "2", .memory_only = true}},
      {.durability = Durability::lazy});
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(value_of("new"), "2");
  EXPECT_FALSE(both->ticket.committed().wait().ok());
  EXPECT_EQ(value_of("new"), "(none)");
  EXPECT_EQ(value_of("there"), "1");
  log_.fs().clear_faults();
  static_cast<void>(log_.store().close().ok());
}

TEST_F(EntriesTest, WhatWasPutInMemoryAloneLeavesNoVersionToBeGivenAgain) {
  const auto in_memory = entries().write({{.key = "k", .value = "1", .memory_only = true}});
  ASSERT_TRUE(in_memory.ok());
  EXPECT_TRUE(in_memory->ticket.committed().wait().ok());
  log_.reopen();
  EXPECT_GT(write({{.key = "k", .value = "2"}}), in_memory->version);
}

TEST_F(EntriesTest, VersionsInMemoryDoNotOvertakeTheLog) {
  std::uint64_t version = 0;
  // With each record the versions of the next opening begin so much further on.
  for (int i = 0; i < 1 << 20; ++i) {
    const auto written = entries().write({{.key = "m", .value = "v", .memory_only = true}});
    ASSERT_TRUE(written.ok());
    ASSERT_GT(written->version, version);
    version = written->version;
    if (i % 4096 == 0 && entries().stats().accepted > 1) break;
  }
  EXPECT_GT(entries().stats().accepted, 1u) << "the log stands still";
  EXPECT_EQ(value_of("m"), "v");
  const std::uint64_t last = write({{.key = "k", .value = "2"}});
  EXPECT_GT(last, version);
  log_.reopen();
  EXPECT_EQ(value_of("m"), "(none)");
  EXPECT_GT(write({{.key = "k", .value = "3"}}), last);
}

TEST_F(EntriesTest, ThreadsThatPutHereAndThereReadWhatWasPutLast) {
  LogEntryStore& table = entries();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, key = "k" + std::to_string(t)] {
      for (int i = 0; i < 200; ++i) {
        const bool in_memory = (i + i / 3) % 2 == 0;
        const auto written = table.write({{.key = key, .value = std::to_string(i), .memory_only = in_memory}});
        ASSERT_TRUE(written.ok());
        const auto found = table.find(key).value();
        ASSERT_TRUE(found) << i;
        EXPECT_EQ(found->value, std::to_string(i));
        EXPECT_EQ(found->version, written->version);
        if (i % 16 == 0) {
          EXPECT_TRUE(written->ticket.committed().wait().ok());
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(keys("k"), "k0 k1 k2 k3");
  EXPECT_EQ(keys("k", Order::descending, "k2"), "k2 k1 k0");
}

// Blocks and segments of a store for large models.
class EntriesInLargeBlocksTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kBlock = 4 * MiB;

  EntriesInLargeBlocksTest() {
    fs_.leave_out_syncs();
    EXPECT_TRUE(StoreImpl::create(fs_, path_, {.block_bytes = kBlock, .segment_bytes = 512 * MiB}).ok());
    auto impl = StoreImpl::open(fs_, path_, {.threads = 2}, {});
    EXPECT_TRUE(impl.ok()) << impl.error().message;
    impl_ = impl->get();
    store_.emplace(StoreImpl::handle(std::move(impl).value()));
  }
  LogEntryStore& entries() { return impl_->tables().value()->entries; }

  ScratchFolder folder_;
  const std::string path_ = folder_ / "store";
  FaultFileSystem fs_{posix_file_system()};
  StoreImpl* impl_ = nullptr;
  std::optional<Store> store_;
};

TEST_F(EntriesInLargeBlocksTest, ContentIsCutAsTheStoreCutsIt) {
  const std::string content = std::string(2 * MiB, 'x') + random_bytes(MiB + MiB / 2, 1);
  ASSERT_TRUE(entries().commit({{.key = "k", .value = "v", .content = content}}).ok());
  const auto entry = entries().find("k").value();
  EXPECT_EQ(entries().content(entry->references.front()).value(), content);
  EXPECT_TRUE(store_->close().ok());
}

TEST_F(EntriesInLargeBlocksTest, WhatIsWrittenWithOthersIsSettledWithThemHoweverMuchWentBefore) {
  LogEntryStore& table = entries();
  {
    auto writing = impl_->begin_writing().value();
    BlockSink sink({.block_bytes = kBlock}, impl_->index(), *writing.log, impl_->parts());
    // As much as is committed on the way.
    std::string block = random_bytes(kBlock, 2);
    for (std::uint32_t i = 0; i < 82; ++i) {
      block[i] = static_cast<char>(block[i] + 1);
      const Bytes bytes = as_bytes(block);
      ASSERT_TRUE(sink.replace(digest_of(DigestKind::blake3, bytes), kBlock, CodecId::raw, bytes).ok());
    }
    ASSERT_TRUE(table.write({{.key = "before", .value = "v"}}, {.durability = Durability::lazy}).ok());
    const std::string content = random_bytes(kBlock + 1, 3);
    ASSERT_TRUE(table.write_with(sink, {}, {{.key = "k", .value = "v", .content = content}}).ok());
    EXPECT_EQ(table.stats().pending, 2u);
    ASSERT_TRUE(sink.commit().ok());
    EXPECT_EQ(table.stats().pending, 0u);
    EXPECT_EQ(table.stats().committed, 2u);
    EXPECT_EQ(table.content(table.find("k").value()->references.front()).value(), content);
  }
  EXPECT_TRUE(store_->close().ok());
}

}  // namespace
}  // namespace cairn::testing
