// SPDX-License-Identifier: Apache-2.0
//
// Deltas as objects: what is stored comes back, and what does not fit is refused.
#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/delta/deltas_fixture.h"

namespace cairn::testing {
namespace {

TEST_F(DeltasTest, EveryKindGivesTheTensorAgain) {
  const std::string base = put(weights(pair_.base), "base");
  std::map<std::string, DeltaInfo> stored;
  for (std::uint8_t number = 0; delta_kind_is_valid(number); ++number) {
    const auto kind = static_cast<DeltaKind>(number);
    SCOPED_TRACE(delta_kind_name(kind));
    const auto delta = store_.deltas().store(weights(pair_.target), base,
                                             {.kind = kind,
                                              .threshold = 1e-4,
                                              .maximum_ratio = 10,
                                              .name = std::string(delta_kind_name(kind)),
                                              .attributes = {{"run", "a"}}});
    ASSERT_TRUE(delta.ok()) << delta.error().message;
    EXPECT_EQ(delta->delta.kind, kind);
    EXPECT_EQ(delta->whole_because.empty(), kind != DeltaKind::whole);
    EXPECT_EQ(delta->delta.base, kind == DeltaKind::whole ? "" : base);
    stored[delta->delta.id] = delta->delta;
  }
  ASSERT_EQ(stored.size(), 9u);
  const std::string target = put(weights(pair_.target));
  for (int turn = 0; turn < 2; ++turn) {
    for (const auto& [id, delta] : stored) {
      SCOPED_TRACE(delta_kind_name(delta.kind));
      const auto back = store_.deltas().load(id);
      ASSERT_TRUE(back.ok()) << back.error().message;
      Content applied(pair_.target.size());
      ASSERT_TRUE(store_.deltas().apply(id, weights(pair_.base), applied).ok());
      EXPECT_EQ(applied, *back);
      EXPECT_EQ(delta.target, target);
      EXPECT_TRUE(!delta.lossless() || *back == pair_.target);
      EXPECT_TRUE(!delta.lossless() || delta.result == target);
      const auto info = store_.deltas().info(id).value();
      ASSERT_TRUE(info.has_value());
      EXPECT_EQ(info->kind, delta.kind);
      EXPECT_EQ(info->stored_bytes, delta.stored_bytes);
      EXPECT_EQ(info->names.at(0).name, delta_kind_name(delta.kind));
      EXPECT_EQ(info->names.at(0).attributes.at("run"), "a");
      EXPECT_EQ(info->tensor.dtype, DType::bf16);
    }
    expect_clean();
    reopen();
  }
}

TEST_F(DeltasTest, TheBaseMayBePutAlong) {
  const auto delta = store_.deltas().store(weights(pair_.target), weights(pair_.base));
  ASSERT_TRUE(delta.ok()) << delta.error().message;
  EXPECT_EQ(delta->delta.kind, DeltaKind::ulp_grouped) << delta->whole_because;
  EXPECT_LT(delta->delta.ratio(), 0.3);
  EXPECT_FALSE(store_.contains(delta->delta.base).value()) << "it was not put by itself";
  EXPECT_EQ(store_.deltas().load(delta->delta.id).value(), pair_.target);
  // Another delta may be from the same base, which is known now.
  const Pair other = pairs(DType::bf16, 300'000, 12).front();
  const auto second = store_.deltas().store(weights(other.target), delta->delta.base, {.maximum_ratio = 2});
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_EQ(store_.deltas().load(second->delta.id).value(), other.target);
  expect_clean();
}

TEST_F(DeltasTest, AnyTensorOfTheStoreIsABase) {
  std::vector<Put> state;
  state.push_back({.bytes = pair_.base, .tensor = weights(pair_.base).layout, .name = "w"});
  const Ticket ticket = store_.checkpoints("run").save(1, std::move(state));
  const std::string base = ticket.ids().value().front();
  const auto delta = store_.deltas().store(weights(pair_.target), base);
  ASSERT_TRUE(delta.ok()) << delta.error().message;
  EXPECT_TRUE(store_.checkpoints("run").remove(1).ok());
  EXPECT_TRUE(store_.gc({.max_dead = 0}).ok());
  EXPECT_EQ(store_.deltas().load(delta->delta.id).value(), pair_.target);
}

TEST_F(DeltasTest, StridedTensorsAreTheirElements) {
  // The same elements, stored transposed: 300 × 500 of bf16.
  const auto transposed = [](const Content& content) {
    Content out(content.size());
    for (std::size_t i = 0; i < 300; ++i) {
      for (std::size_t j = 0; j < 500; ++j) std::copy_n(&content[2 * (500 * i + j)], 2, &out[2 * (300 * j + i)]);
    }
    return out;
  };
  const Content target = transposed(pair_.target), base = transposed(pair_.base);
  const TensorLayout strided{.dtype = DType::bf16, .shape = {300, 500}, .strides = {1, 300}};
  const auto plain =
      store_.deltas().store(tensor(pair_.target, DType::bf16, {300, 500}), tensor(pair_.base, DType::bf16, {300, 500}));
  const auto delta =
      store_.deltas().store({.bytes = target, .layout = strided}, TensorBytes{.bytes = base, .layout = strided});
  EXPECT_EQ(delta.value().delta.id, plain.value().delta.id);
  EXPECT_EQ(store_.deltas().load(delta->delta.id).value(), pair_.target);
}

TEST_F(DeltasTest, EveryShapeComesBack) {
  for (const std::vector<std::uint64_t>& shape :
       std::vector<std::vector<std::uint64_t>>{{}, {0}, {1}, {3, 0}, {7, 5, 3}, {70'001}}) {
    for (std::uint8_t number = 1; delta_kind_is_valid(number); ++number) {
      const auto kind = static_cast<DeltaKind>(number);
      if (kind == DeltaKind::axis_scaled && shape.empty()) continue;
      const Pair pair = pairs(DType::f32, bytes_of(DType::f32, shape), 13)[5];
      const auto delta =
          store_.deltas().store(tensor(pair.target, DType::f32, shape), tensor(pair.base, DType::f32, shape),
                                {.kind = kind, .minimum_bytes = 0, .maximum_ratio = 1e6});
      ASSERT_TRUE(delta.ok()) << delta.error().message;
      // Nothing is less than a manifest.
      EXPECT_EQ(delta->delta.kind, pair.target.empty() ? DeltaKind::whole : kind) << delta->whole_because;
      const auto back = store_.deltas().load(delta->delta.id);
      ASSERT_TRUE(back.ok()) << back.error().message;
      EXPECT_TRUE(!is_lossless(kind) || *back == pair.target);
      EXPECT_EQ(back->size(), pair.target.size());
    }
  }
  expect_clean();
}

TEST_F(DeltasTest, WhatFailsAGateIsStoredWholeAndNothingElse) {
  const std::string base = put(weights(pair_.base));
  const Pair unrelated = pairs(DType::bf16, 300'000, 14)[3];  // any bits
  const auto large = store_.deltas().store(weights(unrelated.target), base);
  ASSERT_TRUE(large.ok()) << large.error().message;
  EXPECT_EQ(large->delta.kind, DeltaKind::whole);
  EXPECT_NE(large->whole_because.find("0.9"), std::string::npos) << large->whole_because;
  EXPECT_EQ(large->delta.base, "");
  EXPECT_EQ(store_.deltas().load(large->delta.id).value(), unrelated.target);
  // What was appended in vain is given back, and the base is not held.
  EXPECT_TRUE(store_.remove(base).value());
  EXPECT_LT(live_bytes(), 310'000u);
  const auto small = store_.deltas().store(weights(pair_.target), weights(pair_.base), {.minimum_bytes = 300'001});
  ASSERT_TRUE(small.ok()) << small.error().message;
  EXPECT_EQ(small->delta.kind, DeltaKind::whole);
  EXPECT_NE(small->whole_because.find("minimum_bytes"), std::string::npos);
  EXPECT_EQ(store_.deltas().load(small->delta.id).value(), pair_.target);
  EXPECT_EQ(
      store_.deltas().store(weights(pair_.target), weights(pair_.base), {.minimum_bytes = 300'000}).value().delta.kind,
      DeltaKind::ulp_grouped);
  expect_clean();
}

TEST_F(DeltasTest, WhatTheCallGetsWrongIsRefusedAndNothingIsStored) {
  const std::string base = put(weights(pair_.base));
  const std::string blob = store_.put({.bytes = pair_.base}).value();
  const auto error = [&](const TensorBytes& target, const DeltaBase& from, const DeltaOptions& options = {}) {
    const auto stored = store_.deltas().store(target, from, options);
    return stored.ok() ? std::optional<ErrorCode>() : std::optional(stored.error().code);
  };
  const TensorBytes target = weights(pair_.target);
  EXPECT_EQ(error(target, base), std::nullopt);
  EXPECT_EQ(error(target, blob), ErrorCode::not_found);
  EXPECT_EQ(error(target, "no id"), ErrorCode::invalid_argument);
  EXPECT_EQ(error(tensor(pair_.target, DType::f16, {150'000}), base), ErrorCode::invalid_argument);
  EXPECT_EQ(error(tensor(pair_.target, DType::bf16, {3, 50'000}), base), ErrorCode::invalid_argument);
  EXPECT_EQ(error(tensor(pair_.target, DType::bf16, {3}), base), ErrorCode::invalid_argument);
  EXPECT_EQ(error(target, base, {.kind = DeltaKind::int8, .max_error = -1.0}), ErrorCode::invalid_argument);
  EXPECT_EQ(error(target, base, {.kind = DeltaKind::int8, .max_error = NAN}), ErrorCode::invalid_argument);
  EXPECT_EQ(error(target, base, {.kind = DeltaKind::sparse, .threshold = INFINITY}), ErrorCode::invalid_argument);
  EXPECT_EQ(error(target, base, {.kind = DeltaKind::axis_scaled, .axis = 1}), ErrorCode::invalid_argument);
  const TensorBytes complex = tensor(pair_.target, DType::complex64, {37'500});
  EXPECT_EQ(error(complex, complex, {.kind = DeltaKind::int16}), ErrorCode::invalid_argument);
  EXPECT_EQ(error(target, base, {.name = std::string(1 << 20, 'x'), .attributes = {{"k", "v"}}}),
            ErrorCode::invalid_argument);
  EXPECT_EQ(store_.deltas().list().value().deltas.size(), 1u);
  expect_clean();
}

TEST_F(DeltasTest, AnotherBaseIsRefusedBeforeAnythingIsWritten) {
  const auto delta = store_.deltas().store(weights(pair_.target), weights(pair_.base)).value().delta;
  Content into(pair_.target.size(), std::byte{7});
  Content other = pair_.base;
  other.back() ^= std::byte{1};
  const Status wrong = store_.deltas().apply(delta.id, weights(other), into);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(wrong.error().message.find(delta.base), std::string::npos) << wrong.error().message;
  EXPECT_EQ(into, Content(pair_.target.size(), std::byte{7}));
  EXPECT_FALSE(store_.deltas().apply(delta.id, tensor(pair_.base, DType::bf16, {300, 500}), into).ok());
  EXPECT_FALSE(store_.deltas().apply(delta.id, weights(pair_.base), std::span(into).first(10)).ok());
  EXPECT_FALSE(store_.deltas().load_into(delta.id, std::span(into).first(10)).ok());
  EXPECT_TRUE(store_.deltas().load_into(delta.id, into).ok());
  EXPECT_EQ(into, pair_.target);
}

TEST_F(DeltasTest, ObjectsKnowDeltasByTheirIds) {
  const auto delta =
      store_.deltas().store(weights(pair_.target), weights(pair_.base), {.name = "step 2"}).value().delta;
  const std::string blob = store_.put({.bytes = pair_.base}).value();
  const auto object = store_.describe(delta.id).value();
  ASSERT_TRUE(object.has_value());
  EXPECT_TRUE(object->delta);
  EXPECT_EQ(object->bytes, pair_.target.size());
  EXPECT_EQ(object->tensor->shape, delta.tensor.shape);
  EXPECT_EQ(object->names.at(0).name, "step 2");
  EXPECT_EQ(store_.list().value().objects.size(), 2u);
  EXPECT_EQ(store_.get(delta.id).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store_.get_slice(delta.id, {0}, {1}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store_.deltas().load(blob).error().code, ErrorCode::not_found);
  EXPECT_FALSE(store_.deltas().contains(blob).value());
  EXPECT_FALSE(store_.deltas().remove(blob).value());
  EXPECT_FALSE(store_.deltas().info(blob).value().has_value());
  const StoreStats stats = store_.stats().value();
  EXPECT_EQ(stats.deltas, 1u);
  EXPECT_EQ(stats.objects, 2u);
  const ObjectInfo shown = store_.archive().show(delta.id).value();
  EXPECT_EQ(shown.kind, "delta");
  EXPECT_EQ(shown.format, "ulp_grouped");
  EXPECT_EQ(shown.bytes, delta.bytes);
  EXPECT_EQ(shown.stored_bytes, delta.stored_bytes);
  EXPECT_EQ(shown.metadata.at("base"), delta.base);
  EXPECT_EQ(shown.metadata.at("target"), delta.target);
}

TEST_F(DeltasTest, PagesHaveEveryDeltaOnce) {
  std::vector<std::string> ids;
  for (unsigned i = 0; i < 7; ++i) {
    Content target = pair_.target;
    target[i] ^= std::byte{1};
    ids.push_back(store_.deltas()
                      .store(weights(target), weights(pair_.base), {.name = "n" + std::to_string(i)})
                      .value()
                      .delta.id);
    static_cast<void>(store_.put({.bytes = std::span(target).first(10 + i)}).value());
  }
  static_cast<void>(store_.deltas().store(weights(pair_.target), weights(pair_.base), {.name = "again"}).value());
  std::sort(ids.begin(), ids.end());
  std::vector<std::string> listed;
  std::string cursor;
  std::size_t pages = 0;
  do {
    const DeltaPage page = store_.deltas().list(cursor, 3).value();
    for (const DeltaInfo& delta : page.deltas) listed.push_back(delta.id);
    cursor = page.next;
    ++pages;
  } while (!cursor.empty());
  EXPECT_EQ(pages, 3u);
  EXPECT_EQ(listed.size(), 8u);
  EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end()));
  EXPECT_TRUE(std::includes(listed.begin(), listed.end(), ids.begin(), ids.end()));
}

TEST_F(DeltasTest, ThreadsThatStoreLoadPutAndReclaimDoNotNoticeEachOther) {
  const std::string base = put(weights(pair_.base));
  std::atomic<int> failures = 0;
  const auto expect = [&](bool good) { failures += good ? 0 : 1; };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned turn = 0; turn < 5; ++turn) {
        Content target = pair_.target;
        target[2 * (5 * t + turn)] ^= std::byte{1};
        const auto stored = store_.deltas().store(weights(target), base, {.name = std::to_string(t)});
        expect(stored.ok());
        if (!stored.ok()) continue;
        const auto back = store_.deltas().load(stored->delta.id);
        expect(back.ok() && *back == target);
        if (turn % 2 == 0) expect(store_.deltas().remove(stored->delta.id).ok());
      }
    });
  }
  threads.emplace_back([&] {
    for (unsigned turn = 0; turn < 5; ++turn) {
      expect(store_.put({.bytes = std::span(pair_.target).first(1000 + turn)}).ok());
      expect(store_.gc({.max_dead = 0}).ok());
    }
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(store_.deltas().list().value().deltas.size(), 6u);
  expect_clean();
}

TEST_F(DeltasTest, ReadersBesideTheWriterLoadIt) {
  Store reader = open_store(fs_, "store", Access::read_only);
  const auto delta = store_.deltas().store(weights(pair_.target), weights(pair_.base)).value().delta;
  EXPECT_EQ(reader.deltas().load(delta.id).value(), pair_.target);
  EXPECT_EQ(reader.deltas().list().value().deltas.size(), 1u);
  EXPECT_FALSE(reader.deltas().store(weights(pair_.target), delta.base).ok());
  EXPECT_FALSE(reader.deltas().remove(delta.id).ok());
}

}  // namespace
}  // namespace cairn::testing
