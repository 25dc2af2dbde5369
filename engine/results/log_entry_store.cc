// SPDX-License-Identifier: Apache-2.0
#include "engine/results/log_entry_store.h"

#include <algorithm>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "engine/base/background_thread.h"
#include "engine/base/errors.h"
#include "engine/base/fork_generation.h"
#include "engine/content/digester.h"
#include "engine/results/entry_key.h"
#include "engine/write/ticket_state.h"

namespace cairn {
namespace {

// Of one record, and so of one write, whose entries are in one.
constexpr std::uint64_t kRecordBytesMax = kEntriesBytesMax / 2;
// Versions between two sequence numbers of the log: more than a record has room for. So a version
// that begins at the log's next sequence is above all that were ever given.
constexpr unsigned kVersionBits = 20;
// Less than this is not worth a record when the store is closed.
constexpr std::uint64_t kClockWrittenNs = 1'000'000'000;
// So far beyond the log's next sequence what is in memory only may take versions; then the log hears of it.
constexpr std::uint64_t kMemoryVersionsMax = std::uint64_t{1} << (kVersionBits - 4);
// So long is waited for others' writes; about a sync of the disk.
constexpr std::chrono::microseconds kGatherTime{100};
constexpr unsigned kPassOverMax = 255;
// In such steps the memory tier lends its room.
constexpr std::uint64_t kLentBytes = 1 << 20;

// Of a record.
std::uint64_t bytes_of(const EntryChange& change) {
  std::uint64_t bytes = 64 + change.key.size() + change.value.size() + 33 * change.references.size();
  if (!change.content.empty()) bytes += 33;
  for (const std::string& index_key : change.index_keys) bytes += 4 + index_key.size();
  return bytes;
}

Error too_large(std::uint64_t bytes) {
  return make_error(ErrorCode::invalid_argument, "one write has at most 32 MiB, not " + std::to_string(bytes));
}

Index::Order order_of(EntryStore::Order order) {
  return order == EntryStore::Order::ascending ? Index::Order::ascending : Index::Order::descending;
}

// Counts of reads are looked at and written in large numbers, one after the other.
bool is_worth_memory(std::string_view key) { return !key.starts_with(static_cast<char>(EntrySpace::accesses)); }

bool only_removes(const std::vector<StoredEntry>& entries) {
  return std::ranges::all_of(entries, &StoredEntry::removed);
}

EntryPtr entry_of(StoredEntry stored) {
  return std::make_shared<const Entry>(
      Entry{.value = std::move(stored.value), .version = stored.version, .references = std::move(stored.references)});
}

}  // namespace

LogEntryStore::LogEntryStore(const Parts& parts, const Options& options, MachineClock machine)
    : parts_(parts),
      options_(options),
      machine_(std::move(machine)),
      fork_generation_(fork_generation()),
      cache_(parts.log ? options.cache_bytes : 0),
      memory_bytes_(options.cache_bytes),
      cache_limit_(options.cache_bytes),
      memory_only_(options.cache_bytes / 2) {}

Status LogEntryStore::start(int nice) {
  CAIRN_TRY(const auto clock, parts_.index.clock());
  time_ = std::make_unique<StoreTime>(machine_, clock);
  if (parts_.log == nullptr) return {};
  next_version_ = std::max(parts_.index.next_sequence(), std::uint64_t{1}) << kVersionBits;
  try {
    thread_ = std::thread([this, nice] { run(nice); });
  } catch (const std::system_error&) {
    return make_error(ErrorCode::resource_exhausted, "entries: the system starts no more threads");
  }
  return {};
}

LogEntryStore::~LogEntryStore() { close(); }

void LogEntryStore::close() {
  {
    const std::lock_guard lock(bell_->mutex);
    closed_ = true;
  }
  bell_->rung.notify_all();
  bell_->done.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  write_clock();
}

// Time that has passed is time of the store, also when nothing was written in it.
void LogEntryStore::write_clock() {
  const std::unique_lock turn(parts_.turn);
  const auto known = parts_.index.clock();
  if (!known.ok() || !*known || parts_.log->failed()) return;  // nothing counts time yet, or nothing can be written
  const StoreClock now = time_->now();
  if (now.store_time_ns - (*known)->store_time_ns < kClockWrittenNs) return;
  BlockSink sink({.digest = options_.digest, .block_bytes = options_.block_bytes}, parts_.index, *parts_.log,
                 parts_.stored);
  if (sink.write_entries({.clock = now, .entries = {}}).ok()) static_cast<void>(sink.commit().ok());
}

Status LogEntryStore::check_process() const {
  if (fork_generation() == fork_generation_) return {};
  return make_error(ErrorCode::invalid_argument,
                    "the store was opened by a process that forked this one: open it again");
}

// --- Reading ---

Result<std::optional<Entry>> LogEntryStore::find(std::string_view key) {
  CAIRN_TRY(const EntryPtr found, look(key));
  return found ? std::optional(*found) : std::optional<Entry>();
}

Result<EntryPtr> LogEntryStore::look(std::string_view key) {
  CAIRN_CHECK(check_process());
  if (parts_.follow) CAIRN_CHECK(parts_.follow());
  if (pending_entries_.load(std::memory_order_acquire) > 0) {
    const std::shared_lock lock(pending_mutex_);
    if (EntryPtr kept = memory_only_.find(key)) return kept;
    if (const auto found = pending_.find(key); found != pending_.end()) return found->second.entry;
  }
  const bool cached = is_worth_memory(key);
  if (cached) {
    if (EntryPtr found = cache_.find(key)) return found;
  }
  const std::uint64_t ticket = cached ? cache_.ticket(key) : 0;
  CAIRN_TRY(auto stored, parts_.index.find_entry(key));
  if (!stored) return EntryPtr();
  EntryPtr entry = entry_of(std::move(*stored));
  if (cached) cache_.insert(key, entry, ticket);
  return entry;
}

Status LogEntryStore::scan(std::string_view prefix, Order order, std::string_view from, const Visit& visit) {
  CAIRN_CHECK(check_process());
  if (parts_.follow) CAIRN_CHECK(parts_.follow());
  // Reading goes on after the log has failed.
  static_cast<void>(settle().ok());
  // Looked at behind the beginning of the walk over the disk: what was removed there to be in memory only is there.
  std::optional<MemoryOnlyWalk> memory;
  const auto begin = [&] {
    if (!memory) memory.emplace(memory_rows(prefix, order, from, false));
  };
  bool goes_on = true;
  const auto each = [&](const Placed<StoredEntry>& stored) -> Result<bool> {
    begin();
    while (const auto* row = memory->not_behind(stored.key, stored.key)) {
      // Of both, what was put last.
      if (row->key == stored.key && row->entry->version < stored.version) break;
      CAIRN_TRY(goes_on, visit(row->key, *row->entry));
      if (!goes_on || row->key == stored.key) return goes_on;
    }
    CAIRN_TRY(goes_on, visit(stored.key, *entry_of(stored)));
    return goes_on;
  };
  CAIRN_CHECK(parts_.index.for_each_entry(prefix, order_of(order), from, each));
  begin();
  while (const auto* row = goes_on ? memory->next() : nullptr) {
    CAIRN_TRY(goes_on, visit(row->key, *row->entry));
  }
  return {};
}

Status LogEntryStore::scan_index(std::string_view prefix, Order order, std::string_view from, const VisitIndex& visit) {
  CAIRN_CHECK(check_process());
  if (parts_.follow) CAIRN_CHECK(parts_.follow());
  // Reading goes on after the log has failed.
  static_cast<void>(settle().ok());
  std::optional<MemoryOnlyWalk> memory;
  const auto begin = [&] {
    if (!memory) memory.emplace(memory_rows(prefix, order, from, true));
  };
  bool goes_on = true;
  const auto each = [&](std::string_view index_key, std::string_view key) -> Result<bool> {
    begin();
    while (const auto* row = memory->not_behind(index_key, key)) {
      if (row->place == index_key && row->key == key) break;
      CAIRN_TRY(goes_on, visit(row->place, row->key));
      if (!goes_on) return false;
    }
    CAIRN_TRY(goes_on, visit(index_key, key));
    return goes_on;
  };
  CAIRN_CHECK(parts_.index.for_each_index_key(prefix, order_of(order), from, each));
  begin();
  while (const auto* row = goes_on ? memory->next() : nullptr) {
    CAIRN_TRY(goes_on, visit(row->place, row->key));
  }
  return {};
}

MemoryOnlyWalk LogEntryStore::memory_rows(std::string_view prefix, Order order, std::string_view from,
                                          bool of_index) const {
  std::vector<MemoryOnlyEntries::Row> rows;
  if (pending_entries_.load(std::memory_order_acquire) > 0) {
    const std::shared_lock lock(pending_mutex_);
    rows = of_index ? memory_only_.scan_index(prefix, order, from) : memory_only_.scan(prefix, order, from);
  }
  return {order, std::move(rows)};
}

Result<std::string> LogEntryStore::content(const Reference& reference) {
  CAIRN_CHECK(check_process());
  // What is accepted is in the log when it is committed. Who reads beside a writer has followed to the entry.
  if (pending_entries_.load(std::memory_order_acquire) > 0) static_cast<void>(settle().ok());
  return parts_.read_blob(reference.id);
}

// --- Writing ---

Status LogEntryStore::check_changes(const std::vector<EntryChange>& changes, std::uint64_t& bytes) const {
  if (parts_.log == nullptr) return make_error(ErrorCode::invalid_argument, "the store is open read-only");
  if (changes.empty()) return make_error(ErrorCode::invalid_argument, "nothing is to be written");
  std::unordered_set<std::string_view> keys;
  std::uint64_t content_bytes = 0;
  for (const EntryChange& change : changes) {
    const auto name = [&] { return "key '" + printable(change.key.substr(0, 64)) + "'"; };
    const auto fits = [](const std::string& key) { return !key.empty() && key.size() <= kEntryKeyBytesMax; };
    if (!fits(change.key) || !std::ranges::all_of(change.index_keys, fits)) {
      return make_error(ErrorCode::invalid_argument, name() + " or an index key of it is empty, or above 4096 bytes");
    }
    if (change.memory_only && (change.removed || !change.references.empty() || !change.content.empty())) {
      return make_error(ErrorCode::invalid_argument, name() + ": what is in memory only is a value alone");
    }
    const std::uint64_t memory_bytes = MemoryOnlyEntries::bytes_of(change.key, change.value, change.index_keys);
    if (change.memory_only && memory_bytes > memory_only_.limit()) {
      return make_error(ErrorCode::invalid_argument, name() + ": " + std::to_string(memory_bytes) +
                                                         " bytes are above half of the memory tier, " +
                                                         std::to_string(memory_only_.limit()));
    }
    if (!change.memory_only && change.value.size() > kEntryValueBytesMax) {
      return make_error(ErrorCode::invalid_argument, name() + ": a value of " + std::to_string(change.value.size()) +
                                                         " bytes is above 1 MiB: put it as an object");
    }
    if (change.content.size() > content_bytes_max() || (change.removed && !change.content.empty())) {
      return make_error(ErrorCode::invalid_argument, name() + ": content of " + std::to_string(change.content.size()) +
                                                         " bytes cannot be put along");
    }
    if (!keys.insert(change.key).second) {
      return make_error(ErrorCode::invalid_argument, name() + " occurs twice in one write");
    }
    // Nothing but a removal of what is in memory only is ever written.
    if (!change.memory_only) bytes += bytes_of(change);
    content_bytes += change.content.size();
  }
  if (bytes > kRecordBytesMax) return too_large(bytes);
  if (content_bytes > kEntryContentBytesMax) {
    return make_error(ErrorCode::invalid_argument,
                      "one write has at most 64 MiB of content, not " + std::to_string(content_bytes));
  }
  bytes += content_bytes;
  return {};
}

// A write larger than the budget is let in when nothing else is pending. Whoever comes later than one that waits is
// behind it: it might wait for ever otherwise.
Status LogEntryStore::make_room(std::unique_lock<std::mutex>& lock, std::uint64_t bytes, OnFull on_full) {
  const auto is_over = [&] { return error_ || closed_; };
  const auto fits = [&] { return stats_.pending == 0 || stats_.pending_bytes + bytes <= options_.pending_bytes_max; };
  const bool has_room = stats_.waiting == 0 && fits();
  if (!is_over() && !has_room) {
    // Room is made by committing: also of what is in no hurry.
    const auto ask = [&] {
      bell_->hurry = true;
      bell_->rung.notify_one();
    };
    ask();
    if (on_full == OnFull::block) {
      const std::uint64_t place = room_asked_++;
      ++stats_.waiting;
      while (!is_over() && !(place == room_given_ && fits())) {
        ask();
        bell_->done.wait(lock);
      }
      ++room_given_;
      --stats_.waiting;
      // The next one in the row may fit along with this.
      bell_->done.notify_all();
    }
  }
  if (error_) return *error_;
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  if (has_room || on_full == OnFull::block) return {};
  ++(on_full == OnFull::drop ? stats_.dropped : stats_.refused);
  Error full = make_error(ErrorCode::overloaded, "entries: " + std::to_string(stats_.pending_bytes) + " bytes pending");
  full.retryable = true;
  return full;
}

Result<bool> LogEntryStore::is_written(const EntryChange& change) const {
  if (!change.memory_only && !change.removed) return true;
  {
    const std::shared_lock lock(pending_mutex_);
    // Whoever relies on a removal that is pending fails with it.
    if (pending_.contains(change.key)) return true;
    if (memory_only_.contains(change.key)) return false;
  }
  if (change.removed) return true;
  CAIRN_TRY(const auto stored, parts_.index.find_entry(change.key));
  return stored.has_value();
}

Result<bool> LogEntryStore::are_written(const std::vector<EntryChange>& changes) const {
  // Versions must not run away from a log that stands still: the next opening would give them again.
  const std::uint64_t sequence = std::max(parts_.index.next_sequence(), std::uint64_t{1});
  if (!has_written_ || next_version_ >= (sequence << kVersionBits) + kMemoryVersionsMax) return true;
  for (const EntryChange& change : changes) {
    CAIRN_TRY(const bool written, is_written(change));
    if (written) return true;
  }
  return false;
}

void LogEntryStore::note_pending() {
  pending_entries_.store(pending_.size() + memory_only_.size(), std::memory_order_release);
  const std::uint64_t used = (memory_only_.bytes() + kLentBytes - 1) / kLentBytes * kLentBytes;
  const std::uint64_t rest = memory_bytes_ - std::min(used, memory_bytes_);
  if (rest != std::exchange(cache_limit_, rest)) cache_.set_limit(rest);
}

Status LogEntryStore::set_memory_bytes(std::uint64_t bytes) {
  if (parts_.log == nullptr) return make_error(ErrorCode::invalid_argument, "the store is open read-only");
  const std::unique_lock lock(pending_mutex_);
  memory_bytes_ = bytes;
  memory_only_.set_limit(bytes / 2);
  note_pending();
  return {};
}

// With the queue's mutex: nobody is accepted in between.
Status LogEntryStore::check_versions(const std::vector<EntryChange>& changes) {
  for (const EntryChange& change : changes) {
    if (!change.if_version) continue;
    CAIRN_TRY(const auto now, find(change.key));
    const std::uint64_t version = now ? now->version : 0;
    if (version == *change.if_version) continue;
    return make_error(ErrorCode::conflict, "key '" + printable(change.key.substr(0, 64)) + "' has version " +
                                               std::to_string(version) + ", not " + std::to_string(*change.if_version));
  }
  return {};
}

Result<EntryStore::Written> LogEntryStore::write(std::vector<EntryChange> changes, const PutOptions& options) {
  std::unique_lock<std::mutex> lock;
  CAIRN_TRY(const Accepted accepted, accept(std::move(changes), options, lock));
  const bool wake = !leading_ && (options.durability == Durability::grouped || due());
  lock.unlock();
  if (wake) bell_->rung.notify_one();
  return accepted.written;
}

// The thread that brings a write is the quickest to have it committed: it is awake.
Result<EntryStore::Written> LogEntryStore::commit(std::vector<EntryChange> changes, const PutOptions& options) {
  std::unique_lock<std::mutex> lock;
  CAIRN_TRY(const Accepted accepted, accept(std::move(changes), options, lock));
  committing_most_ = std::max(committing_most_, ++committing_);
  while (settled_through_ < accepted.number) {
    if (!leading_) {
      lead(lock);
    } else {
      bell_->done.wait(lock, [&] { return settled_through_ >= accepted.number || !leading_; });
    }
  }
  --committing_;
  lock.unlock();
  CAIRN_CHECK(accepted.written.ticket.committed().wait());
  return accepted.written;
}

LogEntryStore::Write LogEntryStore::write_of(const PutOptions& options, std::uint64_t bytes,
                                             std::function<void()> hurry, std::vector<EntryChange>& changes) const {
  Write write{.bytes = bytes, .durability = options.durability, .accepted = Clock::now()};
  write.ticket = std::make_shared<TicketState>(std::move(hurry));
  write.ticket->reach(TicketState::kStaged);
  for (EntryChange& change : changes) {
    if (change.content.empty()) continue;
    write.content_bytes += change.content.size();
    const Digest id = digest_of(options_.digest, as_bytes(change.content));
    write.contents.emplace_back(id, std::make_shared<const std::string>(std::move(change.content)));
    change.references.push_back({RecordKind::blob, id});
  }
  return write;
}

Result<LogEntryStore::Accepted> LogEntryStore::accept(std::vector<EntryChange> changes, const PutOptions& options,
                                                      std::unique_lock<std::mutex>& lock) {
  CAIRN_CHECK(check_process());
  std::uint64_t bytes = 0;
  CAIRN_CHECK(check_changes(changes, bytes));
  // What is grouped is on its way: only the lazy ones are asked for.
  std::function<void()> hurry;
  if (options.durability == Durability::lazy) hurry = [bell = bell_] { bell->ask(); };
  Write write = write_of(options, bytes, std::move(hurry), changes);
  lock = std::unique_lock(bell_->mutex);
  CAIRN_CHECK(make_room(lock, bytes, options.on_full));
  CAIRN_CHECK(check_versions(changes));
  return enter(std::move(write), std::move(changes));
}

Result<LogEntryStore::Accepted> LogEntryStore::enter(Write write, std::vector<EntryChange> changes) {
  CAIRN_TRY(const bool written, are_written(changes));
  for (const EntryChange& change : changes) {
    if (change.memory_only && written) write.bytes += bytes_of({.key = change.key, .removed = true});
  }
  if (write.bytes - write.content_bytes > kRecordBytesMax) return too_large(write.bytes - write.content_bytes);
  has_written_ = has_written_ || written;
  const std::uint64_t version = next_version_++;
  write.entries.reserve(changes.size());
  {
    const std::unique_lock pending(pending_mutex_);
    for (EntryChange& change : changes) take(std::move(change), written, version, write.entries);
    note_pending();
  }
  Accepted accepted{.written = {.version = version, .ticket = Ticket(write.ticket)}};
  if (write.entries.empty()) {
    write.ticket->reach(TicketState::kSynced);
    write.ticket->reach(TicketState::kCommitted);
    return accepted;
  }
  ++stats_.accepted;
  ++stats_.pending;
  stats_.pending_bytes += write.bytes;
  accepted.number = ++accepted_through_;
  queue_.push_back(std::move(write));
  if (gathering_ != 0 && queue_.size() >= gathering_) gathered_.notify_one();
  return accepted;
}

void LogEntryStore::take(EntryChange change, bool written, std::uint64_t version, std::vector<StoredEntry>& entries) {
  StoredEntry* stored = nullptr;
  if (written) {
    stored = &entries.emplace_back();
    stored->key = change.key;
    stored->removed = true;
    stored->version = version;
    pending_[change.key] = {.entry = nullptr, .version = version};
  }
  if (change.memory_only) {
    Entry entry{.value = std::move(change.value), .version = version, .references = {}};
    entry.memory_only = true;
    memory_only_.put(change.key, std::move(entry), std::move(change.index_keys));
    return;
  }
  memory_only_.erase(change.key);
  if (change.removed || stored == nullptr) return;
  stored->removed = false;
  stored->value = std::move(change.value);
  stored->index_keys = std::move(change.index_keys);
  stored->references = std::move(change.references);
  pending_[change.key].entry = entry_of(*stored);
}

Status LogEntryStore::write_with(BlockSink& sink, BlockSink::Statements others, std::vector<EntryChange> changes) {
  std::uint64_t bytes = 0;
  CAIRN_CHECK(check_changes(changes, bytes));
  const auto in_memory = [](const EntryChange& change) { return change.memory_only || change.removed; };
  if (std::ranges::any_of(changes, in_memory)) {
    return make_error(ErrorCode::invalid_argument, "what is written with something else is a value on the disk");
  }
  const auto taken = std::make_shared<Taken>();
  Write write = write_of({}, bytes, {}, changes);
  {
    std::unique_lock lock(bell_->mutex);
    // What is accepted first is settled first, and what follows a write that failed fails with it.
    bell_->done.wait(lock, [&] { return !settling_; });
    if (error_) return *error_;
    CAIRN_CHECK(check_versions(changes));
    CAIRN_CHECK(enter(std::move(write), std::move(changes)));
    // The order of acceptance is that of the log: all that came before goes along.
    taken->writes = std::exchange(queue_, {});
    bell_->hurry = false;
  }
  sink.when_settled([this, taken](const Status& committed) {
    std::unique_lock lock(bell_->mutex, std::defer_lock);
    settle(lock, *taken, committed, false);
  });
  taken->status = append(sink, *taken, taken->writes.size() - 1);
  if (taken->status.ok()) taken->status = append_contents(sink, taken->writes.back());
  if (taken->status.ok()) {
    others.entries = EntriesRecord{.clock = time_->now(), .entries = taken->writes.back().entries};
    taken->status = sink.write(std::move(others));
    if (taken->status.ok()) ++taken->appended;
  }
  if (taken->status.ok() || parts_.log->failed()) return taken->status;
  // What failed is gone before anybody is told, and what was appended before it is not held up.
  CAIRN_CHECK(sink.commit());
  return taken->status;
}

Status LogEntryStore::settle() {
  if (parts_.log == nullptr) return {};
  CAIRN_CHECK(check_process());
  std::unique_lock lock(bell_->mutex);
  const std::uint64_t through = accepted_through_;
  if (settled_through_ < through) {
    bell_->hurry = true;
    bell_->rung.notify_one();
    bell_->done.wait(lock, [&] { return settled_through_ >= through; });
  }
  return error_ ? Status(*error_) : Status();
}

LogEntryStore::Stats LogEntryStore::stats() const {
  const std::lock_guard lock(bell_->mutex);
  Stats stats = stats_;
  stats.sync_time = sync_time_.read();
  stats.cache = cache_.stats();
  const std::shared_lock pending(pending_mutex_);
  stats.memory_only = memory_only_.stats();
  return stats;
}

// --- The thread ---

bool LogEntryStore::due() const {
  if (queue_.empty()) return false;
  if (closed_ || bell_->hurry || stats_.pending_bytes * 2 > options_.pending_bytes_max) return true;
  const auto grouped = [](const Write& write) { return write.durability == Durability::grouped; };
  return std::ranges::any_of(queue_, grouped);
}

bool LogEntryStore::in_background(Work work) {
  if (parts_.log == nullptr || fork_generation() != fork_generation_) return false;
  {
    const std::lock_guard lock(bell_->mutex);
    if (closed_) return false;
    work_.push_back(std::move(work));
  }
  bell_->rung.notify_one();
  return true;
}

void LogEntryStore::run(int nice) {
  become_background_thread("cairn-entries", nice);
  std::unique_lock lock(bell_->mutex);
  for (;;) {
    bell_->rung.wait(lock, [&] { return !leading_ && (closed_ || due() || !work_.empty()); });
    if (closed_ || due()) {
      if (queue_.empty()) return;
      lead(lock);
      continue;
    }
    const Work work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    const bool more = work();
    lock.lock();
    if (more) work_.push_back(work);
  }
}

// Threads that commit one thing after the other come again as soon as they are told of what they have committed. Were
// the first of them to begin at once, the others would wait for its sync, and it for theirs: two syncs where one would
// do for all.
void LogEntryStore::gather(std::unique_lock<std::mutex>& lock) {
  const std::size_t at_once = std::exchange(committing_most_, committing_);
  const std::size_t expected = at_once - at_once / 8;
  if (queue_.size() >= expected) return;
  if (pass_over_ > 0) {
    --pass_over_;
    return;
  }
  gathering_ = expected;
  gathered_.wait_for(lock, kGatherTime, [&] { return queue_.size() >= expected || closed_; });
  gathering_ = 0;
  in_vain_ = queue_.size() >= expected ? 0 : std::min(2 * in_vain_ + 1, kPassOverMax);
  pass_over_ = in_vain_;
}

void LogEntryStore::lead(std::unique_lock<std::mutex>& lock) {
  leading_ = true;
  gather(lock);
  lock.unlock();
  Taken taken;
  Status committed;
  {
    const std::unique_lock turn(parts_.turn);
    // What came while others had the turn goes along.
    lock.lock();
    bell_->hurry = false;
    settling_ = true;
    taken.writes = std::exchange(queue_, {});
    lock.unlock();
    taken.status = parts_.turn_began();
    if (taken.status.ok() && !taken.writes.empty()) {
      BlockSink sink({.digest = options_.digest, .block_bytes = options_.block_bytes}, parts_.index, *parts_.log,
                     parts_.stored);
      taken.status = append(sink, taken, taken.writes.size());
      // Where the log had no room it is as it was: what was appended before is committed.
      committed = !taken.status.ok() && parts_.log->failed() ? taken.status : sink.commit();
    }
  }
  settle(lock, taken, committed, true);
}

Status LogEntryStore::append_content(BlockSink& sink, const std::shared_ptr<const std::string>& content,
                                     const Digest& id) const {
  std::vector<BlockRef> blocks;
  for (Bytes rest = as_bytes(*content); !rest.empty();) {
    const Bytes part = rest.first(std::min<std::size_t>(rest.size(), options_.block_bytes));
    CAIRN_TRY(const BlockSink::Block block, sink.prepare(content, part, DType::opaque));
    CAIRN_CHECK(sink.append(block));
    blocks.push_back({block.digest, static_cast<std::uint32_t>(part.size())});
    rest = rest.subspan(part.size());
  }
  // A commit between content and what refers to it would settle writes that are not appended yet.
  return sink.append_blob_manifest(id, std::move(blocks), content->size());
}

Status LogEntryStore::append_contents(BlockSink& sink, const Write& write) const {
  for (const auto& [id, content] : write.contents) CAIRN_CHECK(append_content(sink, content, id));
  return {};
}

Status LogEntryStore::append(BlockSink& sink, Taken& taken, std::size_t count) {
  const std::deque<Write>& writes = taken.writes;
  while (taken.appended < count) {
    EntriesRecord record{.clock = time_->now()};
    Status status;
    std::uint64_t bytes = 0;
    std::size_t next = taken.appended;
    // What only removes finds room on a full disk: it is not in one record with what does not.
    const bool removes = only_removes(writes[next].entries);
    const auto joins = [&](const Write& write) {
      return bytes + (write.bytes - write.content_bytes) <= kRecordBytesMax && only_removes(write.entries) == removes;
    };
    for (; next < count && (next == taken.appended || joins(writes[next])); ++next) {
      status = append_contents(sink, writes[next]);
      if (!status.ok()) break;
      bytes += writes[next].bytes - writes[next].content_bytes;
      const auto& entries = writes[next].entries;
      record.entries.insert(record.entries.end(), entries.begin(), entries.end());
    }
    if (!record.entries.empty()) CAIRN_CHECK(sink.write_entries(std::move(record)));
    taken.appended = next;
    CAIRN_CHECK(status);
  }
  return {};
}

void LogEntryStore::note_committed(const Write& write) {
  const std::unique_lock lock(pending_mutex_);
  for (const StoredEntry& stored : write.entries) {
    const auto pending = pending_.find(stored.key);
    const bool latest = pending != pending_.end() && pending->second.version == write.entries.front().version;
    if (is_worth_memory(stored.key)) {
      cache_.change(stored.key, stored.removed ? nullptr : latest ? pending->second.entry : entry_of(stored));
    }
    if (latest) pending_.erase(pending);
  }
  note_pending();
}

void LogEntryStore::take_back(const Write& write) {
  const std::unique_lock lock(pending_mutex_);
  for (const StoredEntry& stored : write.entries) pending_.erase(stored.key);
  for (const StoredEntry& stored : write.entries) memory_only_.erase(stored.key);
  note_pending();
}

// What was accepted behind a write that failed may rely on it, and fails with it.
void LogEntryStore::settle(std::unique_lock<std::mutex>& lock, Taken& taken, const Status& committed, bool leads) {
  std::deque<Write>& writes = taken.writes;
  const std::size_t good = committed.ok() ? taken.appended : 0;
  const Status status = committed.ok() || taken.appended == 0 ? taken.status : committed;
  for (std::size_t i = 0; i < good; ++i) note_committed(writes[i]);
  lock.lock();
  if (leads) leading_ = settling_ = false;
  if (good < writes.size()) {
    for (Write& write : std::exchange(queue_, {})) writes.push_back(std::move(write));
    if (parts_.log->failed()) error_ = *parts_.log->failure();
    for (std::size_t i = good; i < writes.size(); ++i) take_back(writes[i]);
  }
  for (const Write& write : writes) stats_.pending_bytes -= write.bytes;
  stats_.committed += good;
  stats_.failed += writes.size() - good;
  stats_.commits += good > 0 ? 1 : 0;
  stats_.pending -= writes.size();
  settled_through_ += writes.size();
  const bool more = !queue_.empty() || !work_.empty() || closed_;
  lock.unlock();
  bell_->done.notify_all();
  if (more) bell_->rung.notify_one();
  const Clock::time_point now = Clock::now();
  for (std::size_t i = 0; i < good; ++i) {
    sync_time_.add(std::chrono::duration_cast<std::chrono::nanoseconds>(now - writes[i].accepted));
    writes[i].ticket->reach(TicketState::kSynced);
    writes[i].ticket->reach(TicketState::kCommitted);
  }
  for (std::size_t i = good; i < writes.size(); ++i) writes[i].ticket->fail(status.error(), false);
  lock.lock();
}

}  // namespace cairn
