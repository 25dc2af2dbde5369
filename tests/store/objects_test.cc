// SPDX-License-Identifier: Apache-2.0
//
// Values that are put directly: what comes back is what was put, however it was handed over.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

#include "cairn/store.h"
#include "engine/content/digester.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

std::vector<std::byte> random_bytes(std::size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

std::string blob_id(Bytes bytes) { return to_text(DigestKind::blake3, digest_of(DigestKind::blake3, bytes)); }

class ObjectsTest : public ::testing::Test {
 protected:
  ObjectsTest() : store_(open({.mode = OpenMode::create})) {}

  Store open(StoreOptions options) {
    options.create.block_bytes = 64 * 1024;
    options.writer.budget_bytes = 16 << 20;
    auto opened = Store::open(folder_.path().string() + "/store", options);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return std::move(opened).value();
  }
  void reopen() {
    ASSERT_TRUE(store_.close().ok());
    store_ = open({});
  }

  ScratchFolder folder_;
  Store store_;
};

TEST_F(ObjectsTest, EverySizeComesBackByTheDigestOfItsBytes) {
  std::vector<std::vector<std::byte>> values;
  for (const std::size_t size : {0, 1, 100, 4096, 65535, 65536, 65537, 200'000, 5'000'000}) {
    values.push_back(random_bytes(size, static_cast<unsigned>(size)));
    const auto id = store_.put({.bytes = values.back()});
    ASSERT_TRUE(id.ok()) << size << ": " << id.error().message;
    EXPECT_EQ(*id, blob_id(values.back()));
  }
  for (int turn = 0; turn < 2; ++turn) {
    for (const auto& value : values) EXPECT_EQ(store_.get(blob_id(value)).value(), value) << value.size();
    const CheckReport report = store_.check({.read_data = true}).value();
    EXPECT_TRUE(report.damaged.empty()) << report.damaged.front().what;
    reopen();
  }
}

TEST_F(ObjectsTest, AValueIsFoundFromTheMomentItIsAccepted) {
  const auto value = random_bytes(3'000'000, 1);
  static_cast<void>(store_.put_async({.bytes = value}));
  EXPECT_TRUE(store_.contains(blob_id(value)).value());
  const auto lazy = random_bytes(1000, 2);
  static_cast<void>(store_.put_async({.bytes = lazy}, {.durability = Durability::lazy}));
  EXPECT_EQ(store_.get(blob_id(lazy)).value(), lazy);
  EXPECT_FALSE(store_.contains(blob_id(random_bytes(10, 3))).value());
}

TEST_F(ObjectsTest, MovedMemoryIsReleasedOnceAndBorrowedMemoryIsFreeWhenStaged) {
  std::atomic<int> released = 0;
  const auto moved = random_bytes(1'000'000, 4);
  auto borrowed = random_bytes(1'000'000, 5);
  const std::string borrowed_id = blob_id(borrowed);
  const Ticket move = store_.put_async({.bytes = moved, .handover = Handover::move, .release = [&] { ++released; }});
  const Ticket borrow = store_.put_async({.bytes = borrowed, .handover = Handover::borrow});
  ASSERT_TRUE(borrow.staged().wait().ok());
  std::fill(borrowed.begin(), borrowed.end(), std::byte{0});
  ASSERT_TRUE(move.committed().wait().ok());
  ASSERT_TRUE(move.staged().wait().ok());
  EXPECT_EQ(released, 1);
  EXPECT_EQ(store_.get(move.id().value()).value(), moved);
  EXPECT_EQ(borrow.id().value(), borrowed_id);
  EXPECT_TRUE(store_.get(borrowed_id).ok());
  // Also when it is refused.
  const TensorLayout wrong{.dtype = DType::f32, .shape = {3}};
  const Ticket refused =
      store_.put_async({.bytes = moved, .tensor = wrong, .handover = Handover::move, .release = [&] { ++released; }});
  EXPECT_EQ(refused.committed().wait().error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(released, 2);
}

TEST_F(ObjectsTest, AStridedTensorIsTheContiguousOne) {
  // 300 × 200 of u16, stored transposed, flipped, and every second element.
  std::vector<std::uint16_t> elements(300 * 200);
  std::iota(elements.begin(), elements.end(), std::uint16_t{0});
  const auto bytes_of = [](const std::vector<std::uint16_t>& v) { return std::as_bytes(std::span(v)); };
  struct Case {
    std::vector<std::uint64_t> shape;
    std::vector<std::int64_t> strides;
    std::uint64_t first;
  };
  for (const Case& c :
       {Case{{300, 200}, {200, 1}, 0}, Case{{200, 300}, {1, 200}, 0}, Case{{300, 200}, {-200, -1}, 300 * 200 - 1},
        Case{{150, 100}, {400, 2}, 1}, Case{{4, 7}, {0, 3}, 5}}) {
    std::vector<std::uint16_t> row_major;
    for (std::uint64_t i = 0; i < c.shape[0]; ++i) {
      for (std::uint64_t j = 0; j < c.shape[1]; ++j) {
        const auto at = static_cast<std::int64_t>(c.first) + static_cast<std::int64_t>(i) * c.strides[0] +
                        static_cast<std::int64_t>(j) * c.strides[1];
        row_major.push_back(elements[static_cast<std::size_t>(at)]);
      }
    }
    const TensorLayout flat{.dtype = DType::u16, .shape = c.shape};
    const auto expected = store_.put({.bytes = bytes_of(row_major), .tensor = flat});
    ASSERT_TRUE(expected.ok());
    for (const Handover handover : {Handover::copy, Handover::borrow}) {
      const TensorLayout strided{.dtype = DType::u16, .shape = c.shape, .strides = c.strides, .first = c.first};
      const auto id = store_.put({.bytes = bytes_of(elements), .tensor = strided, .handover = handover});
      ASSERT_TRUE(id.ok()) << id.error().message;
      EXPECT_EQ(*id, *expected);
    }
    const auto back = store_.get(*expected).value();
    EXPECT_TRUE(std::ranges::equal(back, bytes_of(row_major)));
  }
}

TEST_F(ObjectsTest, StridesThatLeaveTheMemoryAreRefused) {
  const auto bytes = random_bytes(24, 6);  // 6 of f32
  const auto refused = [&](TensorLayout layout) {
    const auto id = store_.put({.bytes = bytes, .tensor = std::move(layout)});
    return !id.ok() && id.error().code == ErrorCode::invalid_argument;
  };
  EXPECT_FALSE(refused({.dtype = DType::f32, .shape = {2, 3}, .strides = {3, 1}}));
  EXPECT_FALSE(refused({.dtype = DType::f32, .shape = {6}, .strides = {-1}, .first = 5}));
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {2, 3}, .strides = {4, 1}}));
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {2, 3}, .strides = {3, 1}, .first = 1}));
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {6}, .strides = {-1}, .first = 4}));
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {2}, .strides = {INT64_MIN}}));
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {3}, .strides = {INT64_MAX}}));
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {2, 3}, .strides = {1}}));
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {std::uint64_t{1} << 63, 8}}));
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {7}}));
  EXPECT_TRUE(refused({.dtype = DType::i4, .shape = {2}, .strides = {1}}));
}

TEST_F(ObjectsTest, SlicesAndRangesReadWhatTheyName) {
  std::vector<float> elements(40 * 50 * 60);
  std::iota(elements.begin(), elements.end(), 0.0f);
  const std::string id = store_
                             .put({.bytes = std::as_bytes(std::span(elements)),
                                   .tensor = TensorLayout{.dtype = DType::f32, .shape = {40, 50, 60}}})
                             .value();
  const auto slice_of = [&](std::vector<std::uint64_t> begin, std::vector<std::uint64_t> end) {
    const auto bytes = store_.get_slice(id, begin, end);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message;
    std::vector<float> got(bytes->size() / 4);
    if (!got.empty()) std::memcpy(got.data(), bytes->data(), bytes->size());
    std::vector<float> expected;
    for (std::uint64_t i = begin[0]; i < end[0]; ++i)
      for (std::uint64_t j = begin[1]; j < end[1]; ++j)
        for (std::uint64_t k = begin[2]; k < end[2]; ++k) expected.push_back(elements[(i * 50 + j) * 60 + k]);
    EXPECT_EQ(got, expected);
  };
  slice_of({0, 0, 0}, {40, 50, 60});
  slice_of({3, 0, 0}, {5, 50, 60});
  slice_of({0, 7, 0}, {40, 9, 60});
  slice_of({1, 2, 3}, {39, 48, 4});
  slice_of({5, 5, 5}, {5, 6, 7});
  EXPECT_EQ(store_.get_slice(id, {0, 0, 0}, {41, 1, 1}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store_.get_slice(id, {0, 0}, {1, 1}).error().code, ErrorCode::invalid_argument);

  std::vector<std::byte> range(150'000);
  ASSERT_TRUE(store_.get_range(id, 33'333, range).ok());
  EXPECT_TRUE(std::ranges::equal(range, std::as_bytes(std::span(elements)).subspan(33'333, range.size())));
  EXPECT_EQ(store_.get_range(id, elements.size() * 4, range).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store_.get_into(id, range).error().code, ErrorCode::invalid_argument);
  const auto described = store_.describe(id).value();
  ASSERT_TRUE(described.has_value());
  EXPECT_EQ(described->tensor->shape, (std::vector<std::uint64_t>{40, 50, 60}));
}

TEST_F(ObjectsTest, EveryNameKeepsItsAttributesAndKnownContentIsStoredOnce) {
  const auto value = random_bytes(500'000, 7);
  const std::string id = store_.put({.bytes = value, .name = "a", .attributes = {{"layer_type", "linear"}}}).value();
  const std::uint64_t log_bytes = store_.stats().value().log_bytes;
  EXPECT_EQ(store_.put({.bytes = value, .name = "b", .attributes = {{"model", "m"}}}).value(), id);
  EXPECT_EQ(store_.put({.bytes = value, .name = "a", .attributes = {{"layer_type", "linear"}}}).value(), id);
  EXPECT_LE(store_.stats().value().log_bytes, log_bytes + 16384);
  for (int turn = 0; turn < 2; ++turn) {
    const Object object = store_.describe(id).value().value();
    ASSERT_EQ(object.names.size(), 2u);
    EXPECT_EQ(object.names[0].name, "a");
    EXPECT_EQ(object.names[0].attributes, (Attributes{{"layer_type", "linear"}}));
    EXPECT_EQ(object.names[1].attributes, (Attributes{{"model", "m"}}));
    reopen();
  }
  EXPECT_TRUE(store_.remove(id).value());
  EXPECT_FALSE(store_.remove(id).value());
  EXPECT_FALSE(store_.contains(id).value());
  EXPECT_EQ(store_.get(id).error().code, ErrorCode::not_found);
  reopen();
  EXPECT_FALSE(store_.contains(id).value());
  EXPECT_EQ(store_.put({.bytes = value}).value(), id);
  EXPECT_EQ(store_.get(id).value(), value);
}

TEST_F(ObjectsTest, TheLastWordOnANameCounts) {
  const auto value = random_bytes(1000, 30);
  const auto word = [&](const std::string& says) {
    return store_.put_async({.bytes = value, .name = "a", .attributes = {{"says", says}}});
  };
  const std::string id = word("one").id().value();
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"two"}, {"three", "two", "three"}, {"four", "three"}}) {
    std::vector<Ticket> tickets;
    for (const std::string& says : words) tickets.push_back(word(says));
    for (const Ticket& ticket : tickets) ASSERT_TRUE(ticket.committed().wait().ok());
    for (int turn = 0; turn < 2; ++turn) {
      const Object object = store_.describe(id).value().value();
      ASSERT_EQ(object.names.size(), 1u);
      EXPECT_EQ(object.names[0].attributes, (Attributes{{"says", words.back()}}));
      reopen();
    }
  }
}

TEST_F(ObjectsTest, AListComesInPagesThatOutliveChanges) {
  std::vector<std::string> ids;
  std::vector<Put> puts;
  std::vector<std::vector<std::byte>> values;
  for (unsigned i = 0; i < 25; ++i) values.push_back(random_bytes(100, 100 + i));
  for (const auto& value : values) puts.push_back({.bytes = value});
  ids = store_.put_many(std::move(puts)).value();
  ASSERT_EQ(ids.size(), 25u);
  std::sort(ids.begin(), ids.end());
  std::vector<std::string> listed;
  std::string cursor;
  do {
    const ObjectPage page = store_.list(cursor, 7).value();
    for (const Object& object : page.objects) listed.push_back(object.id);
    cursor = page.next;
    // The cursor's own object may go.
    if (!cursor.empty()) {
      EXPECT_TRUE(store_.remove(cursor).value());
    }
  } while (!cursor.empty());
  EXPECT_EQ(listed, ids);
  const auto many = store_.get_many(ids).value();
  EXPECT_EQ(many.size(), 22u);
}

TEST_F(ObjectsTest, AFullBudgetRefusesOrDropsAndCounts) {
  ASSERT_TRUE(store_.close().ok());
  store_ = open({.writer = {.linger = std::chrono::seconds(60)}});  // nothing is written until it must be
  const auto value = random_bytes(3 << 20, 8);
  std::vector<Ticket> accepted;
  Ticket refused = store_.put_async({.bytes = value}, {.on_full = OnFull::fail});
  for (int i = 0; i < 20 && !refused.committed().ready(); ++i) {
    accepted.push_back(refused);
    refused = store_.put_async({.bytes = value, .name = std::to_string(i)}, {.on_full = OnFull::fail});
  }
  // More than half of the budget makes the writer begin, so that anything from a few values on may be refused.
  if (refused.committed().ready() && !refused.committed().wait().ok()) {
    EXPECT_EQ(refused.committed().wait().error().code, ErrorCode::overloaded);
    EXPECT_GE(store_.writer_stats().refused, 1u);
  }
  // Larger than the whole budget: never without waiting, and always with.
  const auto huge = random_bytes(40 << 20, 9);
  const Ticket dropped = store_.put_async({.bytes = huge}, {.on_full = OnFull::drop});
  EXPECT_EQ(dropped.synced().wait().error().code, ErrorCode::overloaded);
  EXPECT_EQ(store_.writer_stats().dropped, 1u);
  for (const Handover handover : {Handover::copy, Handover::borrow}) {
    const Ticket taken = store_.put_async({.bytes = huge, .handover = handover});
    ASSERT_TRUE(store_.sync().ok());
    EXPECT_TRUE(taken.committed().ready());
    EXPECT_EQ(store_.get(taken.id().value()).value(), huge);
    EXPECT_TRUE(store_.remove(taken.id().value()).value());
  }
  for (const Ticket& ticket : accepted) EXPECT_TRUE(ticket.committed().wait().ok());
  EXPECT_EQ(store_.writer_stats().pending_bytes, 0u);
}

TEST_F(ObjectsTest, ManyThreadsPutTheSameAndDifferentContentOnce) {
  constexpr unsigned kThreads = 64, kValues = 6;
  const auto shared = random_bytes(300'000, 10);
  std::vector<std::thread> threads;
  std::atomic<unsigned> committed = 0;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < kValues; ++i) {
        const auto own = random_bytes(20'000, 1000 + t * kValues + i);
        const auto one = store_.put({.bytes = shared}), two = store_.put({.bytes = own});
        committed += one.ok() && two.ok() && *one == blob_id(shared) && *two == blob_id(own) ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(committed, kThreads * kValues);
  const StoreStats stats = store_.stats().value();
  EXPECT_EQ(stats.blocks, kThreads * kValues + 5);
  EXPECT_EQ(stats.unique_bytes, kThreads * kValues * 20'000 + 300'000);
  const WriterStats writer = store_.writer_stats();
  EXPECT_EQ(writer.accepted, 2 * kThreads * kValues);
  EXPECT_EQ(writer.committed, 2 * kThreads * kValues);
  EXPECT_EQ(writer.new_bytes, stats.unique_bytes);
  EXPECT_EQ(writer.pending_puts, 0u);
}

// As above, without waiting in between, in groups, and as tensors beside blobs.
TEST_F(ObjectsTest, ManyThreadsInFlightStoreEverythingOnceAndAreCountedExactly) {
  constexpr unsigned kThreads = 64, kGroups = 4;
  const auto shared = random_bytes(300'000, 20), small = random_bytes(500, 21);
  const TensorLayout flat{.dtype = DType::u8, .shape = {shared.size()}};
  std::vector<std::vector<std::byte>> own;
  for (unsigned i = 0; i < kThreads * kGroups; ++i) own.push_back(random_bytes(70'000, 2000 + i));
  std::atomic<unsigned> released = 0, committed = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::vector<Ticket> tickets;
      for (unsigned g = 0; g < kGroups; ++g) {
        std::vector<Put> puts;
        puts.push_back({.bytes = own[t * kGroups + g], .handover = Handover::borrow, .name = std::to_string(t)});
        puts.push_back({.bytes = shared,
                        .tensor = g % 2 == 0 ? std::optional(flat) : std::nullopt,
                        .handover = Handover::move,
                        .release = [&] { ++released; }});
        tickets.push_back(store_.put_many_async(std::move(puts)));
        tickets.push_back(store_.put_async({.bytes = small, .name = "small"}));
        tickets.back().committed().on_ready([&](const Status& status) { committed += status.ok() ? 1 : 0; });
      }
      for (const Ticket& ticket : tickets) EXPECT_TRUE(ticket.committed().wait().ok());
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(store_.sync().ok());
  EXPECT_EQ(released, kThreads * kGroups);
  EXPECT_EQ(committed, kThreads * kGroups);
  const std::uint64_t distinct = kThreads * kGroups * 70'000 + shared.size() + small.size();
  const WriterStats writer = store_.writer_stats();
  EXPECT_EQ(writer.accepted, 2u * kThreads * kGroups);
  EXPECT_EQ(writer.staged, writer.accepted);
  EXPECT_EQ(writer.synced, writer.accepted);
  EXPECT_EQ(writer.committed, writer.accepted);
  EXPECT_EQ(writer.accepted_bytes, kThreads * kGroups * (70'000 + shared.size() + small.size()));
  EXPECT_EQ(writer.failed + writer.refused + writer.dropped + writer.pending_puts + writer.pending_bytes, 0u);
  EXPECT_EQ(writer.new_bytes, distinct);
  EXPECT_LT(writer.log_bytes, distinct + distinct / 4) << "one copy of each in the log";
  for (int turn = 0; turn < 2; ++turn) {
    const StoreStats stats = store_.stats().value();
    EXPECT_EQ(stats.objects, kThreads * kGroups + 3) << "each thread's own, the shared one as a blob and as a tensor, "
                                                        "and the small one";
    EXPECT_EQ(stats.object_bytes, distinct + shared.size());
    EXPECT_EQ(stats.blocks, kThreads * kGroups * 2 + 5 + 1);
    EXPECT_EQ(stats.tensors, 1u);
    EXPECT_EQ(stats.unique_bytes, distinct);
    EXPECT_LE(stats.stored_bytes, distinct) << "random bytes are stored as they are, once";
    EXPECT_TRUE(store_.check({.read_data = true}).value().damaged.empty());
    reopen();
  }
}

TEST_F(ObjectsTest, ClosingWhileOthersPutDecidesEveryTicket) {
  for (unsigned round = 0; round < 3; ++round) {
    std::atomic<unsigned> told = 0, handed_over = 0, released = 0;
    std::mutex mutex;
    std::vector<std::string> committed;  // guarded by mutex
    std::vector<std::thread> putters;
    for (unsigned t = 0; t < 4; ++t) {
      putters.emplace_back([&, t] {
        for (unsigned i = 0;; ++i) {
          // Larger than half of the budget: somebody always waits for room.
          const auto value = random_bytes(t % 2 == 0 ? 9 << 20 : 400, round * 1000 + t * 100 + i);
          ++handed_over;
          const Ticket ticket =
              store_.put_async({.bytes = value, .handover = Handover::move, .release = [&] { ++released; }},
                               {.durability = t == 3 ? Durability::lazy : Durability::grouped});
          const auto status = ticket.committed().wait_for(std::chrono::seconds(60));
          ASSERT_TRUE(status.has_value()) << "a ticket is never decided";
          ASSERT_TRUE(ticket.staged().wait_for(std::chrono::seconds(60)).has_value());
          if (!status->ok()) {
            EXPECT_EQ(status->error().code, ErrorCode::invalid_argument) << status->error().message;
            ++told;
            return;
          }
          const std::lock_guard lock(mutex);
          committed.push_back(ticket.id().value());
        }
      });
    }
    while (store_.writer_stats().committed < 6) std::this_thread::yield();
    EXPECT_TRUE(store_.close().ok());
    for (auto& putter : putters) putter.join();
    EXPECT_EQ(told, putters.size());
    EXPECT_EQ(released, handed_over);
    store_ = open({});
    for (const std::string& id : committed) EXPECT_TRUE(store_.get(id).ok());
  }
}

TEST_F(ObjectsTest, PutsAndArchivesTakeTurns) {
  const std::string file = folder_.path().string() + "/input";
  std::atomic<bool> done = false;
  std::thread putter([&] {
    for (unsigned i = 0; !done; ++i) {
      const auto value = random_bytes(200'000, 5000 + i);
      EXPECT_TRUE(store_.put_async({.bytes = value}).committed().wait().ok());
    }
  });
  for (unsigned i = 0; i < 10; ++i) {
    std::filesystem::remove(file);
    const auto content = random_bytes(400'000, 9000 + i);
    std::FILE* out = std::fopen(file.c_str(), "wb");
    ASSERT_EQ(std::fwrite(content.data(), 1, content.size(), out), content.size());
    std::fclose(out);
    EXPECT_TRUE(store_.archive().add({file}, {.name = "x"}).ok());
  }
  done = true;
  putter.join();
  EXPECT_TRUE(store_.check({.read_data = true}).value().damaged.empty());
}

TEST_F(ObjectsTest, AStreamThatNeverPausesIsCommittedOnTheWay) {
  // Known content, of which nothing is written: no number of bytes makes a commit due.
  const std::vector<std::byte> known = random_bytes(1 << 20, 1);
  ASSERT_TRUE(store_.put({.bytes = known}).ok());
  std::atomic<bool> over = false;
  std::vector<std::thread> streams;
  for (int t = 0; t < 4; ++t) {
    streams.emplace_back([&] {
      while (!over) store_.put_async({.bytes = known, .handover = Handover::move, .release = [] {}});
    });
  }
  const auto waited = store_.put_async({.bytes = random_bytes(1 << 20, 2)}).synced().wait_for(std::chrono::seconds(60));
  over = true;
  for (std::thread& stream : streams) stream.join();
  ASSERT_TRUE(store_.sync().ok());  // until then `known` is read
  ASSERT_TRUE(waited.has_value());
  EXPECT_TRUE(waited->ok());
}

TEST_F(ObjectsTest, PutsHaveTheirTurnHoweverManyOtherCallsWrite) {
  const std::string file = folder_.path().string() + "/file";
  std::ofstream(file) << "content";
  std::atomic<bool> over = false;
  std::vector<std::thread> others;
  for (int t = 0; t < 2; ++t) {
    others.emplace_back([&, name = "name" + std::to_string(t)] {
      while (!over) EXPECT_TRUE(store_.archive().add({file}, {.name = name}).ok());
    });
  }
  std::vector<std::optional<Status>> waited;
  for (unsigned n = 0; n < 5; ++n) {
    const Ticket ticket = store_.put_async({.bytes = random_bytes(100'000, n)});
    waited.push_back(ticket.committed().wait_for(std::chrono::seconds(60)));
  }
  over = true;
  for (std::thread& other : others) other.join();
  for (const auto& status : waited) EXPECT_TRUE(status.has_value() && status->ok());
}

TEST_F(ObjectsTest, AForkedChildIsToldAndNothingHangs) {
  const auto value = random_bytes(1000, 11);
  ASSERT_TRUE(store_.put({.bytes = value}).ok());
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // a child that hangs is killed, and fails
    const auto put = store_.put({.bytes = value});
    const auto get = store_.get(blob_id(value));
    const bool told = !put.ok() && put.error().code == ErrorCode::invalid_argument && !get.ok() &&
                      !store_.close().ok() && !store_.archive().add({"/etc/hostname"}, {}).ok();
    { const Store gone = std::move(store_); }
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(store_.get(blob_id(value)).value(), value);
}

TEST(StoreModes, CreateExclusiveTemporaryDestroy) {
  const ScratchFolder folder;
  const std::string path = folder.path().string() + "/s";
  EXPECT_EQ(Store::open(path).error().code, ErrorCode::no_store);
  EXPECT_EQ(Store::open(path, {.access = Access::read_only, .mode = OpenMode::create}).error().code,
            ErrorCode::invalid_argument);
  EXPECT_TRUE(Store::open(path, {.mode = OpenMode::exclusive}).ok());
  EXPECT_EQ(Store::open(path, {.mode = OpenMode::exclusive}).error().code, ErrorCode::already_exists);
  {
    Store store = Store::open(path, {.mode = OpenMode::create}).value();
    EXPECT_TRUE(store.put({.bytes = std::as_bytes(std::span("abc", 3))}).ok());
    EXPECT_EQ(Store::destroy(path).error().code, ErrorCode::held);
  }
  Store reader = Store::open(path, {.access = Access::read_only}).value();
  EXPECT_EQ(reader.put({}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(reader.list().value().objects.size(), 1u);
  ASSERT_TRUE(reader.close().ok());
  EXPECT_TRUE(Store::destroy(path).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(Store::destroy(path).error().code, ErrorCode::no_store);
  std::string where;
  {
    Store store = Store::temporary(folder.path()).value();
    where = store.info().path;
    EXPECT_TRUE(store.put({.bytes = std::as_bytes(std::span("abc", 3))}).ok());
    EXPECT_TRUE(std::filesystem::exists(where));
  }
  EXPECT_FALSE(std::filesystem::exists(where));
}

}  // namespace
}  // namespace cairn::testing
