// SPDX-License-Identifier: Apache-2.0
#include "engine/results/access_counts.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/results/entry_key.h"

namespace cairn {
namespace {

// So many results at most are counted before they are written, and in one write.
constexpr std::size_t kCountedMax = 8192;
// The bits of what is no number.
constexpr std::uint64_t kNoClock = 0x7ff8'0000'0000'0000;

std::string access_key(const std::string& key) { return EntryKey(EntrySpace::accesses).rest(key).bytes(); }

std::string encode(const ResultAccess& access) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.put(access.count);
  out.put(static_cast<std::uint64_t>(access.last_ns));
  if (access.eviction_clock != 0) out.put(std::bit_cast<std::uint64_t>(access.eviction_clock));
  return std::string(as_text(bytes));
}

void add(const ResultAccess& more, ResultAccess& access) {
  access.count += more.count;
  access.last_ns = std::max(access.last_ns, more.last_ns);
  access.eviction_clock = std::max(access.eviction_clock, more.eviction_clock);
}

}  // namespace

void AccessCounts::note(const std::string& key, std::int64_t now_ns, double eviction_clock) {
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    ResultAccess& access = counted_[key];
    add({.count = 1, .last_ns = now_ns, .eviction_clock = eviction_clock}, access);
    full = counted_.size() >= kCountedMax;
  }
  // Counts are worth no wait, and no failure of the read that made them.
  if (full) static_cast<void>(flush().ok());
}

Result<ResultAccess> AccessCounts::written(const std::string& key) {
  CAIRN_TRY(const auto entry, entries_.find(access_key(key)));
  if (!entry) return ResultAccess{};
  ByteReader in(as_bytes(entry->value));
  const auto count = in.get<std::uint64_t>();
  const auto last_ns = in.get<std::uint64_t>();
  double clock = 0;
  if (last_ns && !in.exhausted()) clock = std::bit_cast<double>(in.get<std::uint64_t>().value_or(kNoClock));
  if (!count || !last_ns || !in.exhausted() || !std::isfinite(clock) || clock < 0) {
    return make_error(ErrorCode::corruption, "entry: the accesses of a result are damaged");
  }
  return ResultAccess{.count = *count, .last_ns = static_cast<std::int64_t>(*last_ns), .eviction_clock = clock};
}

Result<ResultAccess> AccessCounts::of(const std::string& key) {
  const std::lock_guard flushing(flushing_);
  CAIRN_TRY(ResultAccess access, written(key));
  const std::lock_guard lock(mutex_);
  const auto counted = counted_.find(key);
  if (counted == counted_.end()) return access;
  add(counted->second, access);
  return access;
}

EntryChange AccessCounts::removal(const std::string& key) {
  {
    // Counts that are being written come before their removal.
    const std::scoped_lock lock(flushing_, mutex_);
    counted_.erase(key);
  }
  return {.key = access_key(key), .removed = true};
}

Status AccessCounts::flush() {
  const std::unique_lock flushing(flushing_, std::try_to_lock);
  if (!flushing) return {};  // somebody does it
  std::unordered_map<std::string, ResultAccess> counted;
  {
    const std::lock_guard lock(mutex_);
    counted = std::exchange(counted_, {});
  }
  if (counted.empty()) return {};
  std::vector<EntryChange> changes;
  for (const auto& [key, access] : counted) {
    CAIRN_TRY(ResultAccess sum, written(key));
    add(access, sum);
    changes.push_back({.key = access_key(key), .value = encode(sum)});
  }
  CAIRN_TRY(const auto written,
            entries_.write(std::move(changes), {.on_full = OnFull::fail, .durability = Durability::lazy}));
  static_cast<void>(written);
  return {};
}

}  // namespace cairn
