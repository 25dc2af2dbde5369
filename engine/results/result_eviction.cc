// SPDX-License-Identifier: Apache-2.0
#include "engine/results/result_eviction.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/results/result_table.h"

namespace cairn {
namespace {

constexpr std::string_view kEvictable = "evictable";
// Candidates that are in memory at once, and of one write.
constexpr std::size_t kCandidatesMax = 65'536;
constexpr std::size_t kEvictedAtOnce = 4096;
constexpr std::uint8_t kClockVersion = 1;

// Beside the accesses of results, whose keys are longer.
std::string clock_key() { return EntryKey(EntrySpace::accesses).bytes(); }

std::string encode_clock(double clock) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.put(kClockVersion);
  out.put(std::bit_cast<std::uint64_t>(clock));
  return std::string(as_text(bytes));
}

Result<double> decode_clock(std::string_view bytes) {
  ByteReader in(as_bytes(bytes));
  const auto version = in.get<std::uint8_t>();
  const auto bits = in.get<std::uint64_t>();
  const double clock = bits ? std::bit_cast<double>(*bits) : -1;
  if (version == kClockVersion && in.exhausted() && std::isfinite(clock) && clock >= 0) return clock;
  return make_error(ErrorCode::corruption, "entry: the clock of evictions is damaged");
}

}  // namespace

struct ResultTable::Candidate {
  double priority = 0;
  std::string key;  // of the entry
  std::uint64_t version = 0, bytes = 0;

  friend bool operator<(const Candidate& a, const Candidate& b) {
    return std::tie(a.priority, a.key) < std::tie(b.priority, b.key);
  }
};

double priority_of(const ResultEnvelope& envelope, std::uint64_t bytes, const ResultAccess& access) {
  const double rate = static_cast<double>(envelope.cost_ns) / static_cast<double>(bytes);
  return std::max(envelope.eviction_clock, access.eviction_clock) + (1 + static_cast<double>(access.count)) * rate;
}

EntryKey evictable_index() { return EntryKey(EntrySpace::results).text(kEvictable); }

std::string evictable_key(const ResultEnvelope& envelope, std::uint64_t bytes) {
  return evictable_index().real(priority_of(envelope, bytes, {})).number(bytes).bytes();
}

std::optional<Evictable> parse_evictable_key(std::string_view index_key) {
  EntryKeyReader in(index_key);
  if (in.text() != kEvictable) return std::nullopt;
  const auto priority = in.real();
  const auto bytes = in.number();
  if (!priority || !bytes || !in.rest().empty()) return std::nullopt;
  return Evictable{.priority_at_least = *priority, .bytes = *bytes};
}

Result<double> ResultTable::eviction_clock() {
  if (clock_is_known_.load(std::memory_order_acquire)) return eviction_clock_.load();
  const std::lock_guard lock(clock_mutex_);
  if (clock_is_known_) return eviction_clock_.load();
  CAIRN_TRY(const auto entry, entries_.find(clock_key()));
  if (entry) {
    CAIRN_TRY(const double clock, decode_clock(entry->value));
    eviction_clock_ = clock;
  }
  clock_is_known_.store(true, std::memory_order_release);
  return eviction_clock_.load();
}

// Those of the least priority that have `bytes` together, or as many as there is room for, the least first. Ends as
// soon as no other can be below them.
Result<std::vector<ResultTable::Candidate>> ResultTable::least_worth(std::uint64_t bytes) {
  std::set<Candidate> least;
  std::uint64_t least_bytes = 0;
  const auto visit = [&](std::string_view index_key, std::string_view key) -> Result<bool> {
    const auto evictable = parse_evictable_key(index_key);
    if (!evictable) return make_error(ErrorCode::corruption, "index: the key of a result to evict is damaged");
    const bool is_full = least_bytes >= bytes || least.size() == kCandidatesMax;
    if (is_full && evictable->priority_at_least > least.rbegin()->priority) return false;
    CAIRN_TRY(const auto entry, entries_.find(key));
    if (!entry || entry->memory_only) return true;
    CAIRN_TRY(const auto found, opened(*entry));
    if (!found || found->envelope.cost_ns == 0) return true;
    CAIRN_TRY(const ResultAccess access, accesses_.of(std::string(key)));
    const std::uint64_t takes = key.size() + entry->value.size() + found->envelope.content_bytes;
    least.insert({.priority = priority_of(found->envelope, takes, access),
                  .key = std::string(key),
                  .version = entry->version,
                  .bytes = takes});
    least_bytes += takes;
    while (least.size() > kCandidatesMax || least_bytes - least.rbegin()->bytes >= bytes) {
      least_bytes -= least.rbegin()->bytes;
      least.erase(std::prev(least.end()));
    }
    return true;
  };
  CAIRN_CHECK(entries_.scan_index(evictable_index().bytes(), EntryStore::Order::ascending, {}, visit));
  return std::vector<Candidate>(least.begin(), least.end());
}

// What has changed since it was judged stays.
Status ResultTable::evict_candidates(std::vector<Candidate> candidates, EvictReport& report) {
  for (;;) {
    std::vector<EntryChange> changes;
    for (const Candidate& candidate : candidates) {
      changes.push_back({.key = candidate.key, .removed = true, .if_version = candidate.version});
      changes.push_back(accesses_.removal(candidate.key));
    }
    if (changes.empty()) return {};
    const auto written = entries_.commit(std::move(changes));
    if (written.ok()) break;
    if (written.error().code != ErrorCode::conflict) return written.error();
    std::vector<Candidate> left;
    for (Candidate& candidate : candidates) {
      CAIRN_TRY(const auto entry, entries_.find(candidate.key));
      if (entry && entry->version == candidate.version) left.push_back(std::move(candidate));
    }
    candidates = std::move(left);
  }
  eviction_clock_ = std::max(eviction_clock_.load(), candidates.back().priority);
  for (const Candidate& candidate : candidates) {
    accesses_.removed(candidate.key);
    report.evicted_bytes += candidate.bytes;
    report.bytes -= std::min(report.bytes, candidate.bytes);
  }
  report.evicted += candidates.size();
  evicted_ += candidates.size();
  return {};
}

Result<EvictReport> ResultTable::evict(const EvictOptions& options) {
  const std::uint64_t low_water = options.low_water_bytes.value_or(options.budget_bytes - options.budget_bytes / 10);
  if (low_water > options.budget_bytes) {
    return make_error(ErrorCode::invalid_argument, "the low-water mark of an eviction is above its budget");
  }
  const std::lock_guard lock(evicting_);
  CAIRN_TRY(const std::uint64_t expired, remove_expired());
  static_cast<void>(expired);
  CAIRN_TRY(const double clock_before, eviction_clock());
  EvictReport report;
  const auto add = [&](std::string_view index_key, std::string_view) -> Result<bool> {
    const auto evictable = parse_evictable_key(index_key);
    if (!evictable) return make_error(ErrorCode::corruption, "index: the key of a result to evict is damaged");
    if (__builtin_add_overflow(report.bytes, evictable->bytes, &report.bytes)) {
      return make_error(ErrorCode::corruption, "index: results to evict have more than 64 bits of bytes");
    }
    return true;
  };
  CAIRN_CHECK(entries_.scan_index(evictable_index().bytes(), EntryStore::Order::ascending, {}, add));
  if (report.bytes <= options.budget_bytes) return report;
  for (bool more = true; more && report.bytes > low_water;) {
    CAIRN_TRY(const std::vector<Candidate> least, least_worth(report.bytes - low_water));
    more = least.size() == kCandidatesMax;
    for (std::size_t first = 0; first < least.size(); first += kEvictedAtOnce) {
      const std::size_t end = std::min(first + kEvictedAtOnce, least.size());
      CAIRN_CHECK(evict_candidates(
          {least.begin() + static_cast<std::ptrdiff_t>(first), least.begin() + static_cast<std::ptrdiff_t>(end)},
          report));
    }
  }
  // Apart from the removals, which find room on a full disk. Without it the next opening ages results a little less.
  if (eviction_clock_.load() > clock_before) {
    const auto written =
        entries_.commit({{.key = clock_key(), .value = encode_clock(eviction_clock_)}}, {.on_full = OnFull::fail});
    if (!written.ok() && written.error().code != ErrorCode::no_space && written.error().code != ErrorCode::overloaded) {
      return written.error();
    }
  }
  return report;
}

}  // namespace cairn
