// SPDX-License-Identifier: Apache-2.0
//
// Stores in which versions of a model are kept as the difference from others.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/codec/block_codec.h"
#include "engine/content/digester.h"
#include "engine/log/segment_files.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {

inline constexpr char kStore[] = "store";
inline constexpr std::size_t kBlocks = 5;  // of the tensor that is trained

// A tensor after `steps` of training: few of its weights are others than before.
inline std::string trained(std::uint64_t seed, unsigned steps) {
  std::string weights = bf16_weights(150'000, seed);
  for (unsigned step = 1; step <= steps; ++step) {
    std::mt19937_64 random(1000 * seed + step);
    for (std::size_t i = 0; i < weights.size(); i += 2 * (1 + random() % 40)) weights[i] = static_cast<char>(random());
  }
  return weights;
}

class DeltaBlocksTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(StoreImpl::create(fs_, kStore, kSmallStore).ok()); }

  // The model "run" after each of `steps`, versions 1 and on, each with a tensor that stays as it is.
  void add_run(Store& store, unsigned steps) {
    for (unsigned step = 0; step < steps; ++step) add_version(store, step);
  }
  void add_version(Store& store, unsigned step) {
    const std::string model = safetensors_of({{"frozen", bf16_weights(70'000, 3)}, {"weights", trained(7, step)}});
    write_file(inputs_ / "run/m.safetensors", model);
    const auto added = store.archive().add({inputs_ / "run"}, {.name = "run", .base = base_, .force = true});
    ASSERT_TRUE(added.ok()) << added.error().message;
    files_["run@" + std::to_string(added->version)] = {{"run/m.safetensors", model}};
  }
  void add_other(Store& store, std::uint64_t seed, std::size_t bytes = 200'000) {
    const std::string name = "other" + std::to_string(seed);
    write_file(inputs_ / name, random_bytes(bytes, seed));
    ASSERT_TRUE(store.archive().add({inputs_ / name}, {.name = name, .force = true}).ok());
    files_[name + "@1"] = {{name, random_bytes(bytes, seed)}};
  }
  static OptimizeReport optimize(Store& store, const OptimizeOptions& options = {}) {
    const auto report = store.optimize(options);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report.ok() ? *report : OptimizeReport{};
  }
  void remove(Store& store, const std::string& ref) {
    ASSERT_TRUE(store.archive().remove(ref).ok());
    files_.erase(ref);
  }
  static void gc(Store& store, double max_dead = 0) {
    const auto report = store.gc({.max_dead = max_dead});
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_TRUE(report->damaged.empty());
  }
  static std::uint64_t deltas(Store& store) {
    const auto stats = store.stats();
    EXPECT_TRUE(stats.ok());
    const auto found = stats->blocks_by_codec.find("delta");
    return found == stats->blocks_by_codec.end() ? 0 : found->second;
  }
  // Of everything that was added and not removed.
  std::set<std::string> unreadable(Store& store) {
    std::set<std::string> out;
    for (const auto& [ref, files] : files_) {
      const auto found = read_version(store, ref);
      if (found.ok()) {
        EXPECT_TRUE(*found == files) << ref << " has other content";
      } else {
        out.insert(ref);
      }
    }
    return out;
  }
  std::string wrong_with(Store& store) {
    const auto lost = unreadable(store);
    return lost.empty() ? wrong_with_counts(store) : *lost.begin() + " cannot be read";
  }
  static std::set<std::string> affected(const std::vector<Damage>& damaged) {
    std::set<std::string> out;
    for (const Damage& damage : damaged) {
      for (const std::string& name : damage.affected) out.insert(name.substr(0, name.find(':')));
    }
    return out;
  }
  void close(Store& store) {
    ASSERT_TRUE(store.close().ok());
    const Store gone(std::move(store));
  }

  // The blocks that are the difference from others, and those that they are from.
  struct Delta {
    Digest block, base;
  };
  std::vector<Delta> delta_blocks() {
    const auto impl = StoreImpl::open(fs_, kStore, {.access = Access::read_only, .threads = 1}, {}).value();
    std::vector<Delta> out;
    const auto visit = [&](const Digest& digest, const RecordLocation& at) -> Status {
      if (!has_parts(at)) return {};
      CAIRN_TRY(const auto bases, impl->blocks().bases_of(digest, at));
      for (const Reference& base : bases) out.push_back({digest, base.id});
      return {};
    };
    EXPECT_TRUE(impl->index().for_each_block(visit).ok());
    return out;
  }
  // How many blocks each is decoded from, by block.
  static std::size_t depth(const std::vector<Delta>& deltas, const Digest& block) {
    const auto at = std::ranges::find(deltas, block, &Delta::block);
    return at == deltas.end() ? 0 : 1 + depth(deltas, at->base);
  }
  // In the middle of its payload, or, where only the content tells, near its end.
  void damage(const Digest& block, bool decodes = false) {
    RecordLocation at;
    {
      const auto impl = StoreImpl::open(fs_, kStore, {.access = Access::read_only, .threads = 1}, {}).value();
      at = impl->index().find_block(block).value().value();
    }
    const std::string file = segment_path(StoreLayout(kStore).log(), at.segment);
    const std::uint64_t where = decodes ? at.stored_bytes - 64 : at.stored_bytes / 2;
    ASSERT_TRUE(fs_.flip_bit(file, at.offset + where, 3).ok());
  }
  // Writes a record for a block as if it were the difference from others.
  static void write_delta(StoreImpl& store, const Digest& block, const std::vector<Digest>& bases) {
    const auto writing = store.begin_writing();
    ASSERT_TRUE(writing.ok());
    BlockSink sink({.digest = store.header().digest, .block_bytes = store.header().block_bytes}, store.index(),
                   *writing->log, store.parts());
    const std::string zero = "0";
    ASSERT_TRUE(sink.replace(block, 1000, CodecId::delta, std::as_bytes(std::span(zero)), bases).ok());
    ASSERT_TRUE(sink.commit().ok());
  }

  SimFileSystem fs_;
  ScratchFolder inputs_;
  std::map<std::string, std::map<std::string, std::string>> files_;  // by name@version
  std::string base_ = "none";  // AddOptions::base: optimize() shall find all there is to find
};

}  // namespace cairn::testing
