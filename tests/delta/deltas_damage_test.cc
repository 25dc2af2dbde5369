// SPDX-License-Identifier: Apache-2.0
//
// What a delta needs stays for as long as it is there, and no longer; what is damaged is named, and never handed out.
#include "engine/write/block_sink.h"
#include "tests/delta/deltas_fixture.h"

namespace cairn::testing {
namespace {

bool names(const CheckReport& report, const std::string& id) {
  for (const Damage& damage : report.damaged) {
    for (const std::string& affected : damage.affected) {
      if (affected.starts_with(id)) return true;
    }
  }
  return false;
}

TEST_F(DeltasTest, TheBaseStaysUntilNothingNeedsIt) {
  const std::string base = put(weights(pair_.base), "base");
  const std::uint64_t of_base = live_bytes();
  const auto delta = store_.deltas().store(weights(pair_.target), base).value().delta;
  EXPECT_TRUE(store_.remove(base).value());
  EXPECT_GT(live_bytes(), of_base);
  EXPECT_EQ(store_.deltas().load(delta.id).value(), pair_.target);
  reopen();
  EXPECT_EQ(store_.deltas().load(delta.id).value(), pair_.target);
  // Put again, it outlives the delta.
  EXPECT_EQ(put(weights(pair_.base)), base);
  EXPECT_TRUE(store_.deltas().remove(delta.id).value());
  EXPECT_FALSE(store_.deltas().contains(delta.id).value());
  EXPECT_EQ(live_bytes(), of_base);
  EXPECT_EQ(store_.get(base).value(), pair_.base);
  EXPECT_TRUE(store_.remove(base).value());
  EXPECT_EQ(live_bytes(), 0u);
  expect_clean();
}

TEST_F(DeltasTest, OneNameMoreOrLessChangesNothing) {
  const auto store = [&](const char* name) {
    return store_.deltas().store(weights(pair_.target), weights(pair_.base), {.name = name}).value().delta;
  };
  const auto first = store("a"), second = store("b");
  EXPECT_EQ(first.id, second.id);
  EXPECT_EQ(store_.deltas().info(first.id).value()->names.size(), 2u);
  EXPECT_TRUE(store_.remove(first.id).value());
  EXPECT_EQ(live_bytes(), 0u);
}

TEST_F(DeltasTest, TheIndexIsRebuiltFromTheLog) {
  const auto delta = store_.deltas()
                         .store(weights(pair_.target), weights(pair_.base), {.kind = DeltaKind::xor_split, .name = "x"})
                         .value()
                         .delta;
  const std::uint64_t live = live_bytes();
  ASSERT_TRUE(store_.close().ok());
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, "store", {}).ok());
  store_ = open_store(fs_, "store");
  EXPECT_EQ(store_.deltas().load(delta.id).value(), pair_.target);
  EXPECT_EQ(store_.deltas().info(delta.id).value()->names.at(0).name, "x");
  EXPECT_EQ(live_bytes(), live);
  expect_clean();
}

TEST_F(DeltasTest, ACloneHasThem) {
  const auto delta = store_.deltas().store(weights(pair_.target), weights(pair_.base)).value().delta;
  ASSERT_TRUE(store_.close().ok());
  ASSERT_TRUE(StoreImpl::open(fs_, "store", {}, {}).value()->clone("clone", {}, {}).ok());
  store_ = open_store(fs_, "clone");
  EXPECT_EQ(store_.deltas().load(delta.id).value(), pair_.target);
  expect_clean();
}

TEST_F(DeltasTest, ADamagedBaseIsNamedAndKeepsTheDeltaFromBeingLoaded) {
  const auto delta = store_.deltas().store(weights(pair_.target), weights(pair_.base), {.name = "d"}).value().delta;
  std::string block;
  {
    const auto shown = store_.archive().show(delta.base).value();
    block = shown.tensors.at(0).blob;
  }
  // The base is of several blocks: the first of its manifest.
  Digest first;
  ASSERT_TRUE(store_.close().ok());
  {
    const auto impl = StoreImpl::open(fs_, "store", {.access = Access::read_only}, {}).value();
    first = load_blob(impl->blocks(), parse_digest(DigestKind::blake3, block).value()).value().blocks.front().digest;
  }
  store_ = open_store(fs_, "store");
  damage(RecordKind::block, to_text(DigestKind::blake3, first));
  EXPECT_EQ(store_.deltas().load(delta.id).error().code, ErrorCode::corruption);
  const CheckReport report = check();
  EXPECT_TRUE(names(report, delta.id + " (d)")) << (report.damaged.empty() ? "" : report.damaged.front().what);
  // The caller's own base serves, and what is put again heals the one in the store.
  Content into(pair_.target.size());
  EXPECT_TRUE(store_.deltas().apply(delta.id, weights(pair_.base), into).ok());
  EXPECT_EQ(into, pair_.target);
  ASSERT_TRUE(store_.scrub().ok());
  EXPECT_EQ(store_.deltas().store(weights(pair_.target), delta.base).error().code, ErrorCode::corruption);
  static_cast<void>(put(weights(pair_.base)));
  EXPECT_EQ(store_.deltas().load(delta.id).value(), pair_.target);
  expect_clean();
}

TEST_F(DeltasTest, EveryPartThatIsDamagedIsNamed) {
  const auto delta = store_.deltas().store(weights(pair_.target), weights(pair_.base), {.name = "d"}).value().delta;
  damage(RecordKind::delta, delta.id);
  EXPECT_EQ(store_.deltas().load(delta.id).error().code, ErrorCode::corruption);
  EXPECT_TRUE(names(check(), delta.id));
  // Stored again, it is whole.
  ASSERT_TRUE(store_.scrub().ok());
  EXPECT_EQ(store_.deltas().store(weights(pair_.target), weights(pair_.base), {.name = "d"}).value().delta.id,
            delta.id);
  EXPECT_EQ(store_.deltas().load(delta.id).value(), pair_.target);
  damage(RecordKind::tensor, delta.base);
  EXPECT_EQ(store_.deltas().load(delta.id).error().code, ErrorCode::corruption);
  EXPECT_TRUE(names(check(), delta.id));
}

// Manifests that nobody wrote this way: what they name does not go together.
class HostileManifestTest : public DeltasTest {
 protected:
  std::string plant(const DeltaManifest& delta) {
    EXPECT_TRUE(store_.close().ok());
    Digest id;
    {
      const auto impl = StoreImpl::open(fs_, "store", {}, {}).value();
      const auto writing = impl->begin_writing().value();
      BlockSink sink({.block_bytes = kSmallStore.block_bytes}, impl->index(), *writing.log, impl->parts());
      const auto encoded = encode(delta);
      id = delta_id(DigestKind::blake3, encoded);
      EXPECT_TRUE(sink.write_object(RecordKind::delta, id, encoded).ok());
      EXPECT_TRUE(sink.write_roots({Root{.kind = RecordKind::delta, .id = id, .bytes = delta.bytes}}).ok());
      EXPECT_TRUE(sink.commit().ok());
    }
    store_ = open_store(fs_, "store");
    return to_text(DigestKind::blake3, id);
  }
  DeltaManifest manifest_of(const std::string& id) {
    EXPECT_TRUE(store_.close().ok());
    DeltaManifest manifest;
    {
      const auto impl = StoreImpl::open(fs_, "store", {.access = Access::read_only}, {}).value();
      manifest = load_delta(impl->blocks(), parse_digest(DigestKind::blake3, id).value()).value();
    }
    store_ = open_store(fs_, "store");
    return manifest;
  }
};

TEST_F(HostileManifestTest, AreRefusedWhenTheyAreLoaded) {
  for (const DeltaKind kind : {DeltaKind::ulp_grouped, DeltaKind::int8, DeltaKind::axis_scaled}) {
    const auto delta = store_.deltas()
                           .store(weights(pair_.target), weights(pair_.base), {.kind = kind, .maximum_ratio = 2})
                           .value()
                           .delta;
    const DeltaManifest good = manifest_of(delta.id);
    std::vector<DeltaManifest> bad;
    const auto add = [&](auto change) { change(bad.emplace_back(good)); };
    add([](DeltaManifest& d) { d.target.bytes[0] ^= std::byte{1}, d.result.bytes[0] ^= std::byte{1}; });
    add([](DeltaManifest& d) { d.bytes += 2; });
    add([](DeltaManifest& d) { d.bytes = std::uint64_t{1} << 60, d.shape = {std::uint64_t{1} << 59}; });
    add([](DeltaManifest& d) { d.shape = {d.shape[0] / 2}, d.bytes /= 2; });
    add([](DeltaManifest& d) { d.shape = {300, 500}; });
    add([](DeltaManifest& d) { d.dtype = DType::f16; });
    add([](DeltaManifest& d) { d.streams.pop_back(); });
    add([](DeltaManifest& d) { d.streams.push_back(d.streams.back()); });
    add([](DeltaManifest& d) { d.streams[0].bytes += 1; });
    add([](DeltaManifest& d) { d.streams[0] = {300'000, d.base}; });
    add([](DeltaManifest& d) { d.base = d.streams[0].blob; });
    if (kind == DeltaKind::int8) add([](DeltaManifest& d) { d.step = UINT64_MAX; });
    if (kind == DeltaKind::int8) add([](DeltaManifest& d) { d.step ^= 1ull << 52; });
    for (const DeltaManifest& manifest : bad) {
      const std::string id = plant(manifest);
      const auto loaded = store_.deltas().load(id);
      ASSERT_FALSE(loaded.ok());
      EXPECT_EQ(loaded.error().code, ErrorCode::corruption) << loaded.error().message;
      Content into(pair_.target.size());
      EXPECT_FALSE(store_.deltas().apply(id, weights(pair_.base), into).ok());
      static_cast<void>(store_.deltas().info(id).ok());
      static_cast<void>(store_.archive().show(id).ok());
    }
    EXPECT_TRUE(store_.check().ok());
  }
}

}  // namespace
}  // namespace cairn::testing
