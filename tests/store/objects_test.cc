// SPDX-License-Identifier: Apache-2.0
//
// Values that are put directly: what comes back is what was put, however it was handed over.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <numeric>
#include <thread>

#include "tests/store/objects_fixture.h"

namespace cairn::testing {
namespace {

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
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {6}, .first = 1}));
  // More than the manifest of an object can list, out of a few bytes.
  EXPECT_TRUE(refused({.dtype = DType::f32, .shape = {std::uint64_t{1} << 43, 6}, .strides = {0, 1}}));
}

TEST_F(ObjectsTest, AnErrorNamesWhatItIsAbout) {
  const auto bytes = random_bytes(24, 6);
  const auto message_of = [](const auto& result) { return result.ok() ? "" : result.error().message; };
  EXPECT_NE(message_of(store_.get("no-id\n")).find("'no-id?'"), std::string::npos) << message_of(store_.get("no-id"));
  const auto many =
      store_.put_many({{.bytes = bytes}, {.bytes = bytes, .tensor = TensorLayout{.shape = {7}}}, {.bytes = bytes}});
  EXPECT_EQ(message_of(many), "");  // opaque elements are taken at their word
  const auto wrong =
      store_.put_many({{.bytes = bytes}, {.bytes = bytes, .tensor = TensorLayout{.dtype = DType::f32, .shape = {7}}}});
  EXPECT_NE(message_of(wrong).find("value 2 of 2"), std::string::npos) << message_of(wrong);
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

TEST(StoreModes, CreateExclusiveTemporaryDestroy) {
  const ScratchFolder folder;
  const std::string path = folder.path().string() + "/s";
  EXPECT_EQ(Store::open(path).error().code, ErrorCode::no_store);
  EXPECT_EQ(Store::open(path, {.access = Access::read_only, .mode = OpenMode::create}).error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(Store::open(path, {.mode = OpenMode::create, .threads = 100'000}).error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(Store::open(path, {.mode = OpenMode::create, .nice = 20}).error().code, ErrorCode::invalid_argument);
  // Somebody else's folder: what stands in the way is said, not that there is no store.
  std::ofstream(folder.path().string() + "/other") << "content";
  EXPECT_EQ(Store::open(folder.path(), {.mode = OpenMode::create}).error().code, ErrorCode::already_exists);
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
