// SPDX-License-Identifier: Apache-2.0
//
// A few hostile bytes that promise billions of entries must not make a decoder allocate
// for them. This file replaces the allocator of the test program to see the largest request.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "engine/base/endian.h"
#include "tests/format/examples.h"

namespace {
std::atomic<std::size_t> largest_request{0};
}  // namespace

// Not inlined, because g++ takes a free() that it sees in place of a delete for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size) {
  std::size_t seen = largest_request.load();
  while (size > seen && !largest_request.compare_exchange_weak(seen, size)) {
  }
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace cairn {
namespace {

// What a decoder may ask for at once: a small multiple of its input.
constexpr std::size_t kFactor = 16;

TEST(HostileCount, TheInstrumentSeesAllocations) {
  largest_request = 0;
  const std::vector<std::byte> big(1 << 20);
  EXPECT_GE(largest_request.load(), big.size());
}

TEST(HostileCount, AnyFourBytesOfAManifestMayClaimBillions) {
  for (const auto& structure : examples::manifests()) {
    SCOPED_TRACE(structure.name);
    for (const std::uint32_t claim : {UINT32_MAX, UINT32_MAX / 2, 0x00ffffffu, 0x0000ffffu}) {
      for (std::size_t at = 2; at + 4 <= structure.bytes.size(); ++at) {
        auto bytes = structure.bytes;
        store_le(bytes.data() + at, claim);
        largest_request = 0;
        (void)structure.recode(bytes);
        EXPECT_LE(largest_request.load(), kFactor * bytes.size() + 256) << "claim at offset " << at;
      }
    }
  }
}

TEST(HostileCount, AGroupThatClaimsBillionsOfRecordsIsRefusedBeforeAnyIsRead) {
  auto head = examples::group_head_bytes();
  store_le(head.data() + 28, UINT32_MAX);
  store_le(head.data() + 8, checksum_of(Bytes(head).subspan(16)));
  largest_request = 0;
  EXPECT_FALSE(decode_group_head(head).ok());
  EXPECT_LE(largest_request.load(), 1024u);
}

}  // namespace
}  // namespace cairn
