// SPDX-License-Identifier: Apache-2.0
#include "engine/results/result_table.h"

#include <charconv>
#include <chrono>
#include <limits>
#include <mutex>
#include <set>
#include <utility>

#include "engine/base/errors.h"
#include "engine/results/entry_key.h"
#include "engine/results/result_eviction.h"
#include "engine/write/value_layout.h"

namespace cairn {
namespace {

// Of one write that removes.
constexpr std::size_t kRemovedAtOnce = 4096;
constexpr std::size_t kNameBytesMax = 255;
constexpr std::string_view kBytes = "bytes";  // the serializer of what is any bytes
constexpr std::size_t kMemoryOnlyBytesMax = std::size_t{1} << 30;
// What is larger is content: an index, and the memory tier, have a copy of what is in an entry.
constexpr std::size_t kInEntryBytesMax = kEntryValueBytesMax - 4096;

std::int64_t wall_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string prefix_of(std::string_view name_space) { return EntryKey(EntrySpace::results).text(name_space).bytes(); }
std::string key_of(std::string_view name_space, std::string_view key) {
  return EntryKey(EntrySpace::results).text(name_space).rest(key).bytes();
}
EntryKey expiry_index() { return EntryKey(EntrySpace::results).text("expiry"); }
EntryKey experiment_index(std::string_view experiment) {
  return EntryKey(EntrySpace::results).text("experiment").text(experiment);
}

Error of_key(std::string_view key, ErrorCode code, const std::string& why) {
  return make_error(code, "result '" + printable(key.substr(0, 64)) + "': " + why);
}

Status check_json(std::span<const std::byte> bytes) {
  if (is_json(as_text(bytes))) return {};
  return make_error(ErrorCode::invalid_argument, "is no JSON");
}

Status check_key(std::string_view name_space, std::string_view key) {
  if (name_space.size() > kNameBytesMax) {
    return make_error(ErrorCode::invalid_argument, "a namespace has at most 255 bytes");
  }
  if (!key.empty() && key.size() <= kResultKeyBytesMax) return {};
  return of_key(key, ErrorCode::invalid_argument, "a key has 1 to 2048 bytes");
}

}  // namespace

bool matches_glob(std::string_view glob, std::string_view text) {
  std::size_t at = 0, in = 0, star = std::string_view::npos, resume = 0;
  while (in < text.size()) {
    if (at < glob.size() && glob[at] == '*') {
      star = at++;
      resume = in;
    } else if (at < glob.size() && (glob[at] == '?' || glob[at] == text[in])) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++resume;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', at) == std::string_view::npos;
}

ResultValue ResultValue::json(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return {.serializer = "json", .bytes = {bytes.begin(), bytes.end()}};
}

ResultTable::ResultTable(EntryStore& entries) : entries_(entries), accesses_(entries) {
  serializers_.emplace(kBytes, Check());
  serializers_.emplace("json", check_json);
  serializers_.emplace("tensor", Check());
}

Status ResultTable::register_serializer(const std::string& name, Check check) {
  if (name.empty() || name.size() > kNameBytesMax || name == "pickle") {
    return make_error(ErrorCode::invalid_argument, "a serializer cannot be named '" + printable(name) + "'");
  }
  const std::unique_lock lock(serializers_mutex_);
  if (serializers_.emplace(name, std::move(check)).second) return {};
  return make_error(ErrorCode::already_exists, "a serializer is named '" + printable(name) + "' already");
}

Status ResultTable::check_value(std::string_view key, const ResultValue& value) const {
  if (value.serializer == kBytes && !value.tensor) return {};
  Check check;
  {
    const std::shared_lock lock(serializers_mutex_);
    const auto known = serializers_.find(value.serializer);
    if (known == serializers_.end()) {
      return of_key(key, ErrorCode::unsupported,
                    "no serializer '" + printable(value.serializer) + "' is registered here");
    }
    check = known->second;
  }
  if ((value.serializer == "tensor") != value.tensor.has_value()) {
    return of_key(key, ErrorCode::invalid_argument, "a dtype and a shape are of a tensor, and a tensor has them");
  }
  Status status;
  if (value.tensor) {
    if (!value.tensor->strides.empty()) return of_key(key, ErrorCode::invalid_argument, "a result has no strides");
    if (const auto layout = ValueLayout::of({.bytes = value.bytes, .tensor = value.tensor}); !layout.ok()) {
      status = layout.error();
    }
  }
  if (check) status = check(value.bytes);
  if (status.ok()) return {};
  return std::move(status).error().with_context("result '" + printable(key.substr(0, 64)) + "'");
}

// --- Writing ---

Result<EntryChange> ResultTable::change_of(std::string_view name_space, std::string_view key, ResultValue value,
                                           const ResultOptions& options) {
  CAIRN_CHECK(check_key(name_space, key));
  CAIRN_CHECK(check_value(key, value));
  ResultEnvelope envelope{.value = std::move(value), .experiment = options.experiment, .created_ns = wall_clock_ns()};
  const std::string entry_key = key_of(name_space, key);
  std::optional<std::uint64_t> if_version = options.if_version;
  if (options.if_version == 0) {
    // What has expired is there for nobody, but an entry still.
    CAIRN_TRY(const auto entry, entries_.find(entry_key));
    if (entry) {
      CAIRN_TRY(const auto found, opened(*entry));
      if (!found) if_version = entry->version;
    }
  }
  if (options.ttl) {
    if (options.ttl->count() <= 0) return of_key(key, ErrorCode::invalid_argument, "a TTL is above 0");
    envelope.expires_store_ns = entries_.store_time_ns() + static_cast<std::uint64_t>(options.ttl->count());
  }
  if (options.cost) {
    if (options.cost->count() <= 0) return of_key(key, ErrorCode::invalid_argument, "a cost is above 0");
    // What is in memory only goes by other rules.
    if (!options.memory_only) envelope.cost_ns = static_cast<std::uint64_t>(options.cost->count());
  }
  auto change = change_of(entry_key, std::move(envelope), options.memory_only);
  if (!change.ok()) {
    return std::move(change).error().with_context("result '" + printable(key.substr(0, 64)) + "'");
  }
  change->if_version = if_version;
  return change;
}

Result<EntryChange> ResultTable::change_of(std::string entry_key, ResultEnvelope envelope, bool memory_only) {
  EntryChange change{.key = std::move(entry_key)};
  change.memory_only = memory_only;
  if (envelope.experiment.size() > kNameBytesMax) {
    return make_error(ErrorCode::invalid_argument, "an experiment's name has at most 255 bytes");
  }
  if (envelope.expires_store_ns != 0) {
    change.index_keys.push_back(expiry_index().number(envelope.expires_store_ns).bytes());
  }
  if (envelope.cost_ns != 0) {
    CAIRN_TRY(envelope.eviction_clock, eviction_clock());
  }
  if (!envelope.experiment.empty()) change.index_keys.push_back(experiment_index(envelope.experiment).bytes());
  if (memory_only && envelope.value.bytes.size() > kMemoryOnlyBytesMax) {
    return make_error(ErrorCode::invalid_argument, "a value in memory only has at most 1 GiB");
  }
  if (const std::size_t bytes = envelope.value.bytes.size(); !memory_only && bytes > kInEntryBytesMax) {
    if (bytes > entries_.content_bytes_max()) {
      return make_error(ErrorCode::invalid_argument,
                        std::to_string(bytes) + " bytes are above 64 MiB: put them as an object");
    }
    change.content = as_text(envelope.value.bytes);
    envelope.content_bytes = bytes;
    envelope.value.bytes = {};
  }
  change.value = encode(envelope);
  if (envelope.cost_ns != 0) {
    const std::size_t bytes = change.key.size() + change.value.size() + change.content.size();
    change.index_keys.push_back(evictable_key(envelope, bytes));
  }
  return change;
}

Result<std::optional<EntryChange>> ResultTable::bring(std::string_view name_space, std::string_view key,
                                                      const ResultEnvelope& from) {
  CAIRN_CHECK(check_key(name_space, key));
  const Status fits = check_value(key, from.value);
  if (!fits.ok() && fits.error().code != ErrorCode::unsupported) return fits.error();
  const std::string entry_key = key_of(name_space, key);
  CAIRN_TRY(const EntryPtr entry, entries_.look(entry_key));
  CAIRN_TRY(const auto here, find_whole(entry_key));
  if (here) {
    const bool is_later = here->envelope.created_ns > from.created_ns;
    const bool is_as_old = here->envelope.created_ns == from.created_ns;
    if (here->memory_only || is_later || (is_as_old && here->envelope.value == from.value)) {
      return std::optional<EntryChange>();
    }
    if (is_as_old) {
      return of_key(key, ErrorCode::conflict, "another value was put here at the same time");
    }
  }
  auto change = change_of(entry_key, from, false);
  if (!change.ok()) {
    return std::move(change).error().with_context("result '" + printable(key.substr(0, 64)) + "'");
  }
  change->if_version = entry ? entry->version : 0;
  return std::optional(std::move(change).value());
}

Result<std::vector<EntryChange>> ResultTable::changes_of(std::string_view name_space, Values values,
                                                         const ResultOptions& options) {
  std::vector<EntryChange> changes;
  changes.reserve(values.size());
  for (auto& [key, value] : values) {
    CAIRN_TRY(EntryChange change, change_of(name_space, key, std::move(value), options));
    if (options.memory_only) {
      // Nobody counts who reads it; what was counted before goes with what was on the disk.
      CAIRN_TRY(const auto before, entries_.find(change.key));
      if (before && !before->memory_only) changes.push_back(accesses_.removal(change.key));
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

Result<EntryStore::Written> ResultTable::put(std::string_view name_space, Values values, const ResultOptions& options) {
  const std::size_t count = values.size();
  CAIRN_TRY(std::vector<EntryChange> changes, changes_of(name_space, std::move(values), options));
  auto written = entries_.write(std::move(changes), {.on_full = options.on_full, .durability = options.durability});
  if (written.ok()) puts_ += count;
  return written;
}

Result<EntryStore::Written> ResultTable::commit(std::string_view name_space, Values values,
                                                const ResultOptions& options) {
  const std::size_t count = values.size();
  CAIRN_TRY(std::vector<EntryChange> changes, changes_of(name_space, std::move(values), options));
  auto written = entries_.commit(std::move(changes), {.on_full = options.on_full});
  if (written.ok()) puts_ += count;
  return written;
}

Result<std::vector<EntryChange>> ResultTable::prepare(std::string_view name_space, Values values,
                                                      const ResultOptions& options) {
  const std::size_t count = values.size();
  auto changes = changes_of(name_space, std::move(values), options);
  if (changes.ok()) puts_ += count;
  return changes;
}

Result<std::int64_t> ResultTable::add(std::string_view name_space, std::string_view key, std::int64_t by) {
  CAIRN_CHECK(check_key(name_space, key));
  for (;;) {
    // One look: what has expired is an entry still, and a number that begins anew.
    CAIRN_TRY(const auto entry, entries_.find(key_of(name_space, key)));
    std::optional<Found> found;
    if (entry) {
      CAIRN_TRY(found, opened(*entry));
    }
    std::int64_t sum = 0;
    ResultOptions options;
    if (found) {
      const std::string_view text = found->envelope.value.text();
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), sum);
      if (error != std::errc() || end != text.data() + text.size()) {
        return of_key(key, ErrorCode::invalid_argument, "is no whole number of 64 bits");
      }
      options.experiment = found->envelope.experiment;
      options.memory_only = found->memory_only;
      if (found->envelope.cost_ns != 0) options.cost = std::chrono::nanoseconds(found->envelope.cost_ns);
    }
    if (__builtin_add_overflow(sum, by, &sum)) {
      return of_key(key, ErrorCode::invalid_argument, "the sum leaves 64 bits");
    }
    CAIRN_TRY(EntryChange change, change_of(name_space, key, ResultValue::json(std::to_string(sum)), options));
    // One that expires keeps its time.
    if (found && found->envelope.expires_store_ns != 0) {
      CAIRN_TRY(ResultEnvelope envelope, decode_result(change.value));
      envelope.expires_store_ns = found->envelope.expires_store_ns;
      change.index_keys.push_back(expiry_index().number(envelope.expires_store_ns).bytes());
      change.value = encode(envelope);
    }
    change.if_version = entry ? entry->version : 0;
    const auto written = entries_.commit({std::move(change)});
    if (written.ok()) {
      ++puts_;
      return sum;
    }
    if (written.error().code != ErrorCode::conflict) return written.error();
  }
}

// --- Reading ---

Result<std::optional<ResultTable::Found>> ResultTable::opened(const Entry& entry) const {
  CAIRN_TRY(ResultEnvelope envelope, decode_result(entry.value));
  const std::uint64_t expires = envelope.expires_store_ns;
  if (expires != 0 && expires <= entries_.store_time_ns()) return std::optional<Found>();
  Found found{.envelope = std::move(envelope), .version = entry.version, .memory_only = entry.memory_only};
  if (found.envelope.content_bytes != 0) {
    if (entry.references.size() != 1) return make_error(ErrorCode::corruption, "result: its content is not known");
    found.content = entry.references.front();
  }
  return std::optional(std::move(found));
}

Result<std::optional<ResultTable::Found>> ResultTable::find_whole(const std::string& entry_key) {
  for (std::uint64_t seen = 0;;) {
    CAIRN_TRY(auto found, find(entry_key));
    if (!found || !found->content) return found;
    auto content = entries_.content(*found->content);
    if (content.ok()) {
      if (content->size() != found->envelope.content_bytes) {
        return make_error(ErrorCode::corruption, "result: its content has another size");
      }
      const Bytes bytes = as_bytes(*content);
      found->envelope.value.bytes.assign(bytes.begin(), bytes.end());
      return found;
    }
    if (content.error().code != ErrorCode::not_found) return std::move(content).error();
    if (seen == found->version) {
      content.error().code = ErrorCode::corruption;
      return std::move(content).error().with_context("result: its content is gone");
    }
    // Put again, or removed, since it was found.
    seen = found->version;
  }
}

Result<std::optional<ResultTable::Found>> ResultTable::find(const std::string& entry_key) {
  CAIRN_TRY(const EntryPtr entry, entries_.look(entry_key));
  if (!entry) return std::optional<Found>();
  return opened(*entry);
}

Result<std::optional<ResultValue>> ResultTable::get(std::string_view name_space, std::string_view key) {
  const std::string entry_key = key_of(name_space, key);
  CAIRN_TRY(auto found, find_whole(entry_key));
  if (!found) {
    ++misses_;
    return std::optional<ResultValue>();
  }
  if (Status status = check_value(key, found->envelope.value); !status.ok()) {
    if (status.error().code == ErrorCode::invalid_argument) status.error().code = ErrorCode::corruption;
    return std::move(status).error();
  }
  ++hits_;
  if (!found->memory_only) {
    // Counts are worth no failure.
    const Result<double> clock = found->envelope.cost_ns != 0 ? eviction_clock() : Result<double>(0);
    accesses_.note(entry_key, wall_clock_ns(), clock.ok() ? *clock : 0);
  }
  return std::optional(std::move(found->envelope.value));
}

Result<bool> ResultTable::has(std::string_view name_space, std::string_view key) {
  CAIRN_TRY(const auto found, find(key_of(name_space, key)));
  return found.has_value();
}

Result<ResultInfo> ResultTable::info_of(std::string_view key, const std::string& entry_key, const Found& found) {
  const ResultEnvelope& envelope = found.envelope;
  CAIRN_TRY(const ResultAccess access, accesses_.of(entry_key));
  ResultInfo info{.key = std::string(key),
                  .version = found.version,
                  .serializer = envelope.value.serializer,
                  .tensor = envelope.value.tensor,
                  .bytes = envelope.value.bytes.size() + envelope.content_bytes,
                  .experiment = envelope.experiment,
                  .memory_only = found.memory_only,
                  .created_ns = envelope.created_ns,
                  .accessed_ns = access.last_ns,
                  .access_count = access.count};
  if (envelope.cost_ns != 0) info.cost = std::chrono::nanoseconds(envelope.cost_ns);
  if (envelope.expires_store_ns != 0) {
    const std::uint64_t now = entries_.store_time_ns();
    info.time_left = std::chrono::nanoseconds(envelope.expires_store_ns > now ? envelope.expires_store_ns - now : 0);
  }
  return info;
}

Result<std::optional<ResultInfo>> ResultTable::info(std::string_view name_space, std::string_view key) {
  const std::string entry_key = key_of(name_space, key);
  CAIRN_TRY(const auto found, find(entry_key));
  if (!found) return std::optional<ResultInfo>();
  CAIRN_TRY(ResultInfo info, info_of(key, entry_key, *found));
  return std::optional(std::move(info));
}

Result<ResultPage> ResultTable::list(std::string_view name_space, std::string_view cursor, std::size_t limit,
                                     std::string_view glob) {
  if (limit == 0) return make_error(ErrorCode::invalid_argument, "a page has at least one result");
  ResultPage page;
  const std::string prefix = prefix_of(name_space);
  // The least key behind the cursor's.
  const std::string from = cursor.empty() ? std::string() : key_of(name_space, cursor) + '\0';
  const auto visit = [&](std::string_view entry_key, const Entry& entry) -> Result<bool> {
    const std::string_view key = entry_key.substr(prefix.size());
    if (!matches_glob(glob, key)) return true;
    CAIRN_TRY(const auto found, opened(entry));
    if (!found) return true;
    if (page.results.size() == limit) {
      page.next = page.results.empty() ? std::string() : page.results.back().key;
      return false;
    }
    CAIRN_TRY(ResultInfo info, info_of(key, std::string(entry_key), *found));
    page.results.push_back(std::move(info));
    return true;
  };
  CAIRN_CHECK(entries_.scan(prefix, EntryStore::Order::ascending, from, visit));
  return page;
}

// --- Removing ---

// In writes of bounded size. What has changed since it was looked at is looked at again: `goes` says whether it goes.
Result<std::uint64_t> ResultTable::remove_entries(const std::vector<std::string>& entry_keys, const Goes& goes) {
  std::uint64_t removed = 0;
  for (std::size_t first = 0; first < entry_keys.size();) {
    const std::size_t end = std::min(first + kRemovedAtOnce, entry_keys.size());
    std::vector<EntryChange> changes;
    std::vector<std::string> gone;
    std::uint64_t counted = 0;
    for (std::size_t i = first; i < end; ++i) {
      CAIRN_TRY(const auto entry, entries_.find(entry_keys[i]));
      if (!entry) continue;
      CAIRN_TRY(const auto found, opened(*entry));
      if (found && !goes(*found)) continue;
      changes.push_back({.key = entry_keys[i], .removed = true, .if_version = entry->version});
      gone.push_back(entry_keys[i]);
      if (!entry->memory_only) changes.push_back(accesses_.removal(entry_keys[i]));
      counted += found ? 1 : 0;
    }
    if (!changes.empty()) {
      const auto written = entries_.commit(std::move(changes));
      if (!written.ok() && written.error().code == ErrorCode::conflict) continue;
      if (!written.ok()) return written.error();
      for (const std::string& key : gone) accesses_.removed(key);
    }
    removed += counted;
    removed_ += counted;
    first = end;
  }
  return removed;
}

Result<std::uint64_t> ResultTable::remove(std::string_view name_space, std::string_view key) {
  return remove_entries({key_of(name_space, key)}, [](const Found&) { return true; });
}

Result<std::uint64_t> ResultTable::remove_matching(std::string_view name_space, std::string_view glob) {
  std::vector<std::string> keys;
  const std::string prefix = prefix_of(name_space);
  const auto visit = [&](std::string_view entry_key, const Entry&) -> Result<bool> {
    if (matches_glob(glob, entry_key.substr(prefix.size()))) keys.emplace_back(entry_key);
    return true;
  };
  CAIRN_CHECK(entries_.scan(prefix, EntryStore::Order::ascending, {}, visit));
  return remove_entries(keys, [](const Found&) { return true; });
}

Result<std::uint64_t> ResultTable::remove_experiment(std::string_view name_space, const std::string& experiment) {
  std::vector<std::string> keys;
  const std::string prefix = prefix_of(name_space);
  const auto visit = [&](std::string_view, std::string_view key) -> Result<bool> {
    if (key.starts_with(prefix)) keys.emplace_back(key);
    return true;
  };
  const std::string index = experiment_index(experiment).bytes();
  CAIRN_CHECK(entries_.scan_index(index, EntryStore::Order::ascending, {}, visit));
  return remove_entries(keys, [&](const Found& found) { return found.envelope.experiment == experiment; });
}

// One that is put again meanwhile stays: then all of them are looked for once more.
Result<std::uint64_t> ResultTable::remove_expired() {
  std::uint64_t removed = 0;
  for (;;) {
    std::vector<EntryChange> changes;
    std::uint64_t count = 0;
    std::set<std::string> seen;
    const std::string end = expiry_index().number(entries_.store_time_ns()).bytes();
    const auto visit = [&](std::string_view index_key, std::string_view key) -> Result<bool> {
      if (index_key > end) return false;
      CAIRN_TRY(const auto entry, entries_.find(key));
      // One that was put again while this looks may be found twice.
      if (!entry || seen.contains(std::string(key))) return true;
      CAIRN_TRY(const auto put_again, opened(*entry));
      if (put_again) return true;
      seen.emplace(key);
      changes.push_back({.key = std::string(key), .removed = true, .if_version = entry->version});
      if (!entry->memory_only) changes.push_back(accesses_.removal(std::string(key)));
      return ++count < kRemovedAtOnce;
    };
    CAIRN_CHECK(entries_.scan_index(expiry_index().bytes(), EntryStore::Order::ascending, {}, visit));
    if (changes.empty()) return removed;
    const auto written = entries_.commit(std::move(changes));
    if (!written.ok() && written.error().code == ErrorCode::conflict) continue;
    if (!written.ok()) return written.error();
    for (const std::string& key : seen) accesses_.removed(key);
    removed += count;
    expired_ += count;
  }
}

ResultCounters ResultTable::counters() const {
  return {
      .puts = puts_, .hits = hits_, .misses = misses_, .removed = removed_, .expired = expired_, .evicted = evicted_};
}

}  // namespace cairn
