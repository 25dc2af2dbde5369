// SPDX-License-Identifier: Apache-2.0
//
// Small values under keys: the table on which results, experiments, metrics and operations
// stand. What is written together becomes visible together, and after a crash all of it is
// there or none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/objects.h"
#include "cairn/result.h"
#include "cairn/ticket.h"
#include "engine/format/references.h"

namespace cairn {

// A key, and an index key, has at most kEntryKeyBytesMax bytes, any of them, and a value
// kEntryValueBytesMax. What is larger is content: put as an object and referred to.
struct EntryChange {
  std::string key;
  bool removed = false;  // the rest but if_version is then empty
  std::string value = {};
  // Under which scan_index() finds it as long as it is there. They take the place of those
  // that it had before.
  std::vector<std::string> index_keys = {};
  // Content that lives as long as the entry.
  std::vector<Reference> references = {};
  // Content that is put along, at most content_bytes_max(), and referred to behind the others.
  // For what is seldom read and never looked for: an index has a copy of a value, not of this.
  std::string content = {};
  // ErrorCode::conflict unless the entry has this version (0: unless it is not there).
  std::optional<std::uint64_t> if_version = {};
  // Is in the memory of this process and nowhere else, until room is needed there. Its value may
  // be larger; it refers to nothing. What the key had on the disk is removed there: that is what
  // the ticket is of.
  bool memory_only = false;
};

struct Entry {
  std::string value;
  std::uint64_t version = 0;  // higher than that of every write that was committed before; never 0
  std::vector<Reference> references;
  bool memory_only = false;
};
using EntryPtr = std::shared_ptr<const Entry>;

// Of the content of one write.
inline constexpr std::size_t kEntryContentBytesMax = std::size_t{64} << 20;

// Any number of threads.
class EntryStore {
 public:
  enum class Order : std::uint8_t { ascending, descending };
  // False ends the scan; an error ends it and is returned. It may not write.
  using Visit = std::function<Result<bool>(std::string_view key, const Entry& entry)>;
  using VisitIndex = std::function<Result<bool>(std::string_view index_key, std::string_view key)>;

  struct Written {
    std::uint64_t version = 0;  // of every entry that was written
    Ticket ticket;              // synced(), committed()
  };

  virtual ~EntryStore() = default;

  // What was accepted last, committed or not: a program reads its own writes, and costs no
  // disk to do so.
  virtual Result<std::optional<Entry>> find(std::string_view key) = 0;
  // The same without a copy; null when it is not there.
  virtual Result<EntryPtr> look(std::string_view key) {
    CAIRN_TRY(auto found, find(key));
    return found ? std::make_shared<const Entry>(*std::move(found)) : EntryPtr();
  }
  // Every key that starts with `prefix`, bytewise; `from` (empty: the first) is included in
  // either order. Waits until what was accepted before is committed. What is put on the disk
  // in the place of what was in memory only, while the scan runs, may be passed over.
  virtual Status scan(std::string_view prefix, Order order, std::string_view from, const Visit& visit) = 0;
  // The same over index keys; entries that share one come by key.
  virtual Status scan_index(std::string_view prefix, Order order, std::string_view from, const VisitIndex& visit) = 0;

  // All of it or nothing. The order in which calls are accepted is the order of their
  // effects. A condition is looked at in that order too, so of two that rely on the same
  // version one has ErrorCode::conflict; then nothing was written. A key occurs once.
  virtual Result<Written> write(std::vector<EntryChange> changes, const PutOptions& options = {}) = 0;

  virtual std::size_t content_bytes_max() const = 0;
  // What was put along with an entry, by what the entry refers to. not_found once the entry is gone.
  virtual Result<std::string> content(const Reference& reference) = 0;

  // The same as write(), and waits until it is committed. Sooner than write() and the ticket: who waits here
  // does the work itself, for all who wait, where nobody does it already.
  virtual Result<Written> commit(std::vector<EntryChange> changes, const PutOptions& options = {}) {
    CAIRN_TRY(Written written, write(std::move(changes), options));
    CAIRN_CHECK(written.ticket.committed().wait());
    return written;
  }

  // Calls `work` until it returns false, on a thread of the store that does so between others' writes: each call is
  // short. No more once the store is closed. False when there is no such thread: it is open read-only.
  using Work = std::function<bool()>;
  virtual bool in_background(Work work) {
    for (const Work each = std::move(work); each();) continue;
    return true;
  }

  // Nanoseconds that the store has been in use, on a clock that never goes backwards and
  // that nobody can set; goes on after a restart where it was. Time while the machine was
  // off does not count.
  virtual std::uint64_t store_time_ns() = 0;
};

}  // namespace cairn
