// SPDX-License-Identifier: Apache-2.0
#include "engine/results/hash_slots.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

namespace cairn {
namespace {

// Few low bits, so that runs of slots are long and wrap around.
TEST(HashSlotsTest, FindsWhatAMapFinds) {
  std::mt19937_64 random(7);
  int things[4] = {};
  for (const std::uint64_t low : {1u, 7u, 63u, 1023u}) {
    HashSlots<int> slots;
    std::unordered_map<std::uint64_t, int*> map;
    const auto any_hash = [&] { return (random() % 40) << 32 | (63 - random() % (low + 1)) % 1024; };
    for (int i = 0; i < 20'000; ++i) {
      const std::uint64_t hash = any_hash();
      ASSERT_EQ(slots.find(hash), map.contains(hash) ? map[hash] : nullptr);
      if (map.contains(hash) || random() % 3 == 0) {
        slots.erase(hash);
        map.erase(hash);
      } else {
        map[hash] = &things[random() % 4];
        slots.insert(hash, map[hash]);
      }
      ASSERT_EQ(slots.size(), map.size());
      ASSERT_EQ(slots.find(hash), map.contains(hash) ? map[hash] : nullptr);
    }
    for (const auto& [hash, thing] : map) ASSERT_EQ(slots.find(hash), thing);
  }
}

}  // namespace
}  // namespace cairn
