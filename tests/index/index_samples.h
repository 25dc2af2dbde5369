// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the index put into it: made from small numbers, so that a failure
// can be read, and different in every field.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "engine/base/endian.h"
#include "engine/content/digester.h"
#include "engine/index/index.h"

namespace cairn::testing {

inline bool long_scale() {
  const char* scale = std::getenv("CAIRN_TEST_SCALE");
  return scale != nullptr && std::string_view(scale) == "long";
}

// CAIRN_TEST_SEED, or `otherwise`; printed, so that a failure can be replayed.
inline std::uint64_t test_seed(std::uint64_t otherwise) {
  const char* given = std::getenv("CAIRN_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
  std::printf("CAIRN_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// Spread over the key space like real digests.
inline Digest sample_digest(std::uint64_t number) {
  std::array<std::byte, 8> bytes;
  store_le(bytes.data(), number);
  return digest_of(DigestKind::blake3, bytes);
}

inline RecordLocation sample_location(RecordKind kind, std::uint64_t sequence) {
  return {.kind = kind,
          .codec = static_cast<std::uint8_t>(sequence % 5),
          .segment = static_cast<std::uint32_t>(1 + sequence / 200),
          .offset = 4096 * (1 + sequence % 200),
          .stored_bytes = static_cast<std::uint32_t>(700 + sequence),
          .logical_bytes = static_cast<std::uint32_t>(1000 + sequence),
          .checksum = sequence * 0x9e3779b97f4a7c15u,
          .sequence = sequence};
}

inline RefRecord sample_ref(const std::string& name, std::uint64_t version) {
  return {.name = name,
          .version = version,
          .removed = false,
          .snapshot = sample_digest(version),
          .created_ns = static_cast<std::int64_t>(1'700'000'000'000'000'000 + version),
          .logical_bytes = version * 1000,
          .tags = {{"loss", std::to_string(version)}}};
}

inline RefRecord removed_ref(const std::string& name, std::uint64_t version) {
  RefRecord ref;
  ref.name = name;
  ref.version = version;
  ref.removed = true;
  return ref;
}

inline SeenFile sample_seen(std::uint64_t number) {
  return {.device = 7,
          .inode = number,
          .size = number * 10,
          .mtime_ns = -static_cast<std::int64_t>(number),
          .ctime_ns = static_cast<std::int64_t>(number) + 1,
          .blob = sample_digest(number),
          .is_model = number % 2 == 0,
          .tensors = static_cast<std::uint32_t>(number % 9),
          .note = number % 3 == 0 ? "not a model" : ""};
}

// Everything an index holds, for comparing two of them. Reading it all is itself a test:
// an error becomes the value.
struct Everything {
  Position applied;
  std::uint64_t next_sequence = 0;
  std::vector<std::pair<Digest, RecordLocation>> blocks, objects;
  std::vector<RefRecord> refs;
  friend bool operator==(const Everything&, const Everything&) = default;
};

inline Result<Everything> read_everything(Index& index) {
  Everything all;
  all.applied = index.applied();
  all.next_sequence = index.next_sequence();
  CAIRN_CHECK(index.for_each_block([&](const Digest& key, const RecordLocation& at) -> Status {
    all.blocks.emplace_back(key, at);
    return {};
  }));
  CAIRN_CHECK(index.for_each_object([&](const Digest& key, const RecordLocation& at) -> Status {
    all.objects.emplace_back(key, at);
    return {};
  }));
  CAIRN_CHECK(index.for_each_ref([&](const RefRecord& ref) -> Status {
    all.refs.push_back(ref);
    return {};
  }));
  return all;
}

// Walks `index` and looks everything in `expected` up by its key: another way through the
// tables than walking, past their filters and indexes. False: it holds something else.
inline Result<bool> holds_exactly(Index& index, const Everything& expected) {
  CAIRN_TRY(const auto all, read_everything(index));
  if (!(all == expected)) return false;
  for (const auto& [key, at] : expected.blocks) {
    CAIRN_TRY(const auto found, index.find_block(key));
    if (found != at) return false;
  }
  for (const auto& [key, at] : expected.objects) {
    CAIRN_TRY(const auto found, index.find_object(at.kind, key));
    if (found != at) return false;
  }
  for (const RefRecord& ref : expected.refs) {
    CAIRN_TRY(const auto found, index.find_ref(ref.name, ref.version));
    if (found != ref) return false;
  }
  if (!expected.refs.empty()) {
    CAIRN_TRY(const auto latest, index.latest_ref(expected.refs.back().name));
    if (latest != expected.refs.back()) return false;
  }
  return true;
}

// A log of `steps` batches in which later ones replace, remove and repeat earlier ones.
// Batch n ends at position {1, n + 1}.
inline IndexBatch sample_batch(std::uint64_t step, std::uint64_t records = 10) {
  IndexBatch batch;
  for (std::uint64_t i = 0; i < records; ++i) {
    const std::uint64_t sequence = 1 + step * records + i;
    const auto kind = i % 5 == 4 ? RecordKind::tensor : RecordKind::block;
    batch.records.push_back({sample_digest(i % 7 == 6 ? i : sequence), sample_location(kind, sequence)});
  }
  batch.refs.push_back(sample_ref("run", step + 1));
  if (step % 3 == 2) batch.refs.push_back(removed_ref("run", step));
  batch.seen.emplace_back("/data/" + std::to_string(step), sample_seen(step));
  batch.applied = Position{1, step + 1};
  batch.next_sequence = 1 + (step + 1) * records;
  return batch;
}

}  // namespace cairn::testing

#define ASSERT_CAIRN_OK(expression)                                                       \
  do {                                                                                    \
    const auto& cairn_checked = (expression);                                             \
    ASSERT_TRUE(cairn_checked.ok()) << #expression ": " << cairn_checked.error().message; \
  } while (false)
