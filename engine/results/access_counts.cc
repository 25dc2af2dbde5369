// SPDX-License-Identifier: Apache-2.0
#include "engine/results/access_counts.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/base/bytes.h"
#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/results/entry_key.h"

namespace cairn {
namespace {

// So many results are counted before the store's thread is asked to write them.
constexpr std::size_t kWorthWriting = 8192;
// It writes so many at once: others wait for it meanwhile.
constexpr std::size_t kPart = 128;
// Notes of so many bytes are counted at once; by whoever reads when the thread is late.
constexpr std::size_t kNoteBytes = 256 * KiB, kLateNoteBytes = 512 * KiB, kNoteBytesMax = 4 * MiB;
// In memory alone; behind it the key.
struct NoteHead {
  std::int64_t last_ns = 0;
  double eviction_clock = 0;
  std::size_t key_bytes = 0;
};
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

// A table of many results is seldom in the processor's caches, the end of the notes always.
void AccessCounts::note(const std::string& key, std::int64_t now_ns, double eviction_clock) {
  State& state = *state_;
  const NoteHead head{.last_ns = now_ns, .eviction_clock = eviction_clock, .key_bytes = key.size()};
  bool asks = false;
  {
    const std::lock_guard lock(state.noting);
    if (state.notes.size() >= kNoteBytesMax) return;
    state.notes.append(reinterpret_cast<const char*>(&head), sizeof head).append(key);
    if (state.notes.size() < kNoteBytes) return;
    asks = !std::exchange(state.asked, true);
    if (!asks && state.notes.size() < kLateNoteBytes) return;
  }
  // Counts are worth no wait, and no failure of the read that made them.
  if (asks) {
    static_cast<void>(state.entries.in_background([work = state_] { return work->work(); }));
  } else if (const std::unique_lock lock(state.mutex, std::try_to_lock); lock) {
    state.count_notes();
  }
}

void AccessCounts::State::count_notes() {
  std::string taken;
  {
    const std::lock_guard lock(noting);
    taken.swap(notes);
  }
  for (std::string_view rest = taken; !rest.empty();) {
    NoteHead head;
    std::memcpy(&head, rest.data(), sizeof head);
    const std::string key(rest.substr(sizeof head, head.key_bytes));
    rest.remove_prefix(sizeof head + head.key_bytes);
    const bool is_full = counted.size() >= kCountedMax;
    const auto found = is_full ? counted.find(key) : counted.try_emplace(key).first;
    if (found == counted.end()) continue;
    add({.count = 1, .last_ns = head.last_ns, .eviction_clock = head.eviction_clock}, found->second);
  }
}

bool AccessCounts::State::work() {
  bool more = false;
  {
    const std::lock_guard lock(mutex);
    count_notes();
    more = batch_next < batch.size() || counted.size() >= kWorthWriting;
  }
  if (more) {
    const std::lock_guard lock(writing);
    const auto left = write_part();
    more = left.ok() && *left;
  }
  if (more) return true;
  const std::lock_guard lock(noting);
  asked = false;
  return false;
}

Result<ResultAccess> AccessCounts::State::written(const std::string& key) {
  CAIRN_TRY(const EntryPtr entry, entries.look(access_key(key)));
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

AccessCounts::Counted* AccessCounts::State::in_batch(const std::string& key) {
  const auto first = batch.begin() + static_cast<std::ptrdiff_t>(batch_next);
  const auto at =
      std::lower_bound(first, batch.end(), key, [](const Counted& a, const auto& b) { return a.first < b; });
  return at != batch.end() && at->first == key ? &*at : nullptr;
}

// What is written and what is counted are of one moment when no part was written between the two looks.
Result<ResultAccess> AccessCounts::State::of(const std::string& key) {
  std::unique_lock lock(mutex);
  for (;;) {
    gone.wait(lock, [&] { return !part_is_going; });
    const std::uint64_t before = parts;
    lock.unlock();
    CAIRN_TRY(ResultAccess access, written(key));
    lock.lock();
    if (part_is_going || parts != before) continue;
    count_notes();
    if (const Counted* const waits = in_batch(key); waits != nullptr) add(waits->second, access);
    const auto now = counted.find(key);
    if (now != counted.end()) add(now->second, access);
    return access;
  }
}

EntryChange AccessCounts::removal(const std::string& key) {
  state_->forget(key);
  return {.key = access_key(key), .removed = true};
}

// Counts that are going into the store come before their removal.
void AccessCounts::State::forget(const std::string& key) {
  std::unique_lock lock(mutex);
  gone.wait(lock, [&] { return !part_is_going; });
  count_notes();
  counted.erase(key);
  if (Counted* const waits = in_batch(key); waits != nullptr) waits->second = {};
}

void AccessCounts::State::take_batch() {
  std::unordered_map<std::string, ResultAccess> taken;
  {
    const std::lock_guard lock(mutex);
    count_notes();
    if (batch_next < batch.size() || counted.empty()) return;
    taken = std::exchange(counted, {});
    part_is_going = true;
  }
  // Whoever counts a read goes on meanwhile.
  std::vector<Counted> sorted;
  sorted.reserve(taken.size());
  while (!taken.empty()) {
    auto node = taken.extract(taken.begin());
    sorted.emplace_back(std::move(node.key()), node.mapped());
  }
  std::ranges::sort(sorted, {}, &Counted::first);
  {
    const std::lock_guard lock(mutex);
    batch = std::move(sorted);
    batch_next = 0;
    part_is_going = false;
  }
  gone.notify_all();
}

Result<bool> AccessCounts::State::write_part() {
  take_batch();
  std::vector<Counted> part;
  {
    const std::lock_guard lock(mutex);
    if (batch_next == batch.size()) return false;
    const std::size_t count = std::min(kPart, batch.size() - batch_next);
    const auto first = batch.begin() + static_cast<std::ptrdiff_t>(batch_next);
    part.assign(first, first + static_cast<std::ptrdiff_t>(count));
  }
  const Status status = write(part);
  const std::lock_guard lock(mutex);
  if (!status.ok()) {
    if (status.error().retryable) return status.error();
    batch.clear();
    batch_next = 0;
    return status.error();
  }
  return batch_next < batch.size() || counted.size() >= kWorthWriting;
}

Status AccessCounts::State::write(const std::vector<Counted>& part) {
  std::vector<EntryChange> changes;
  for (const auto& [key, access] : part) {
    CAIRN_TRY(ResultAccess sum, written(key));
    add(access, sum);
    changes.push_back({.key = access_key(key), .value = encode(sum)});
  }
  bool ends_batch = false;
  {
    // What was removed meanwhile stays forgotten.
    const std::lock_guard lock(mutex);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (batch[batch_next + i].second.count == 0) continue;
      if (kept != i) changes[kept] = std::move(changes[i]);
      ++kept;
    }
    changes.resize(kept);
    ends_batch = batch.size() >= kWorthWriting && batch_next + part.size() == batch.size();
    part_is_going = true;
  }
  Status status;
  if (!changes.empty()) {
    // What is accepted and not committed is in the way of those who read: the last of many takes all along.
    const auto durability = ends_batch ? Durability::grouped : Durability::lazy;
    const auto going = entries.write(std::move(changes), {.on_full = OnFull::fail, .durability = durability});
    if (!going.ok()) status = going.error();
  }
  {
    const std::lock_guard lock(mutex);
    part_is_going = false;
    if (status.ok()) batch_next += part.size();
    ++parts;
  }
  gone.notify_all();
  return status;
}

Status AccessCounts::flush() {
  const std::lock_guard writing(state_->writing);
  for (;;) {
    CAIRN_TRY(const bool more, state_->write_part());
    if (more) continue;
    const std::scoped_lock lock(state_->mutex, state_->noting);
    if (state_->counted.empty() && state_->notes.empty()) return {};
  }
}

}  // namespace cairn
