// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_survival.h"

#include <algorithm>

namespace cairn::testing {
namespace {

std::uint64_t size_after(const SimChange& change, std::uint64_t size) {
  return change.truncates ? change.offset : std::max<std::uint64_t>(size, change.offset + change.bytes.size());
}

// A write that a failed sync dropped leaves its trace in the size alone.
void apply_unless_lost(const SimChange& change, std::vector<std::byte>& content) {
  if (!change.lost) {
    apply_change(change, content);
  } else if (const std::uint64_t size = size_after(change, content.size()); size > content.size()) {
    content.resize(size);
  }
}

std::vector<std::byte> prefix(const SimNode& node, std::uint64_t seed, std::uint64_t last) {
  std::vector<std::byte> content = node.synced;
  for (const SimChange& change : node.pending) {
    if (change.sequence > last) break;
    if (change.sequence < last || change.truncates || change.lost) {
      apply_unless_lost(change, content);
      continue;
    }
    // Torn at a border of sectors of the file, or whole.
    const std::uint64_t end = change.offset + change.bytes.size();
    const std::uint64_t sectors = (end + kSectorBytes - 1) / kSectorBytes - change.offset / kSectorBytes;
    const std::uint64_t kept_sectors = mix(seed, node.id, last) % (sectors + 1);
    const std::uint64_t border = (change.offset / kSectorBytes + kept_sectors) * kSectorBytes;
    SimChange torn = change;
    torn.bytes.resize(kept_sectors == 0 ? 0 : std::min(border, end) - change.offset);
    if (!torn.bytes.empty()) apply_change(torn, content);
  }
  return content;
}

// How many of `count` changes survive: often all, often none, else any number.
std::uint64_t share(std::uint64_t chance, std::uint64_t count) {
  switch (chance % 4) {
    case 0: return 0;
    case 1: return chance / 4 % (count + 1);
    default: return count;
  }
}

// What a choice is about, where it is not about the sector of this number.
constexpr std::uint64_t kMood = ~std::uint64_t{0};
constexpr std::uint64_t kSizes = kMood - 1;

std::vector<std::byte> reordered(const SimNode& node, std::uint64_t seed) {
  const std::uint64_t count = node.pending.size();
  // Some files keep everything and some nothing, so that states with one odd file among
  // good ones are as likely as those where every file is a patchwork.
  const std::uint64_t mood = mix(seed, node.id, kMood) % 4;
  if (mood == 0) return node.synced;
  // The size and the truncations are one list of changes that survives up to a point; each
  // sector has its own point, because a sector is written whole, at some version.
  const std::uint64_t sizes_kept = mood == 1 ? count : share(mix(seed, node.id, kSizes), count);
  std::vector<std::byte> content = node.synced;
  std::uint64_t size = content.size();
  std::uint64_t never_allocated = ~std::uint64_t{0};
  for (std::uint64_t i = 0; i < count; ++i) {
    const SimChange& change = node.pending[i];
    if (i < sizes_kept) size = size_after(change, size);
    if (change.truncates) {
      if (i < sizes_kept) {
        apply_change(change, content);
      } else {
        // What followed a truncation that did not happen went to other blocks.
        never_allocated = std::min(never_allocated, change.offset);
      }
      continue;
    }
    if (change.lost) continue;
    for (std::uint64_t from = 0; from < change.bytes.size();) {
      const std::uint64_t at = change.offset + from;
      const std::uint64_t sector = at / kSectorBytes;
      const std::uint64_t length = std::min((sector + 1) * kSectorBytes - at, change.bytes.size() - from);
      const std::uint64_t versions = mood == 1 ? count : share(mix(seed, node.id, sector), count);
      if (i < versions && at < never_allocated) {
        if (content.size() < at + length) content.resize(at + length);
        std::copy_n(change.bytes.begin() + static_cast<std::ptrdiff_t>(from), length,
                    content.begin() + static_cast<std::ptrdiff_t>(at));
      }
      from += length;
    }
  }
  content.resize(size);
  return content;
}

}  // namespace

std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  std::uint64_t value = 0;
  for (const std::uint64_t part : {a, b, c}) {
    value += part + 0x9e3779b97f4a7c15U;
    value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
    value ^= value >> 31U;
  }
  return value;
}

void apply_change(const SimChange& change, std::vector<std::byte>& content) {
  if (change.truncates) {
    content.resize(change.offset);
    return;
  }
  const std::uint64_t end = change.offset + change.bytes.size();
  if (content.size() < end) content.resize(end);
  std::copy(change.bytes.begin(), change.bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(change.offset));
}

std::vector<std::byte> surviving_content(const SimNode& node, std::uint64_t seed, Loss loss, std::uint64_t last) {
  switch (loss) {
    case Loss::drop_unsynced: return node.synced;
    case Loss::keep_prefix: return prefix(node, seed, last);
    case Loss::reorder_sectors:
    case Loss::reorder_everything: return reordered(node, seed);
    case Loss::keep_all: break;
  }
  std::vector<std::byte> content = node.synced;
  for (const SimChange& change : node.pending) apply_unless_lost(change, content);
  return content;
}

}  // namespace cairn::testing
