// SPDX-License-Identifier: Apache-2.0
//
// Turns a batch into changes of keys, and counts what it makes live or dead on the way:
// references to blocks and objects, and how much of each segment is live.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/index/entry_changes.h"
#include "engine/index/key_value_store.h"
#include "engine/index/keys.h"

namespace cairn {

// For one batch. Looks every key up once and keeps what it found: memory is in proportion
// to what becomes live or dead.
class ReferenceCounts {
 public:
  ReferenceCounts(KeyValueStore& store, ObjectParts& parts) : store_(store), parts_(parts), stored_entries_(store) {}

  // Adds to `changes` everything that the batch means but the state.
  Status add(const IndexBatch& batch, IndexState& next, KeyValueChanges& changes);

 private:
  // The value of a block's or object's key. `at.segment` is 0 while there is only a count.
  struct Entry {
    Digest id;
    RecordLocation at;
    bool changed = false;
    bool was_quarantined = false, was_uncounted = false;  // before the batch
    bool is_there() const { return at.segment != 0; }
  };
  // A reference that is made or given up, not yet in the count.
  struct Change {
    Digest id;
    RecordKind kind = RecordKind::block;  // of the entry that has the count
    std::int64_t by = 0;
  };

  Result<Entry*> entry(std::string key, RecordKind kind, const Digest& id);
  Result<Entry*> record_entry(RecordKind kind, const Digest& id);
  Result<Entry*> count_entry(RecordKind kind, const Digest& id);
  Result<bool> is_live(RecordKind kind, const Digest& id);
  Result<SegmentUse*> use(std::uint32_t segment);

  Status add_record(const IndexBatch::Put& put, IndexState& next);
  Status add_ref(const Placed<RefRecord>& ref);
  Status add_root(const Placed<Root>& root);
  Status add_entry(const Placed<StoredEntry>& entry);
  Status drop(const Reference& dropped);
  Status remove_segment(std::uint32_t segment);
  Status pass(const Verdict& verdict);
  // What a ref or a root says: replaces the value of `key`. False when that says so already.
  struct Statement {
    std::string key;
    RecordPlace place;
    bool removed = false;
    std::uint64_t use = 0;
    std::vector<std::byte> payload;
  };
  Result<bool> add_statement(Statement statement, std::optional<std::string>& before);

  void change(RecordKind kind, const Digest& id, std::int64_t by);
  // What cannot be read is quarantined; and not counted, or in doubt when it was.
  Status change_parts(Entry& object, std::int64_t by);
  Status settle();
  Status settle(const Change& change);
  // The record, a block or object that is there, has become live or dead.
  Status turn(Entry& record, bool live);
  void note_dead(const Entry& object, bool dead);
  Status count_use(const RecordLocation& at, bool live);

  KeyValueStore& store_;
  ObjectParts& parts_;
  std::unordered_map<std::string, Entry> entries_;  // by key; pointers into it stay good
  std::map<std::uint32_t, SegmentUse> uses_;
  std::map<std::string, std::optional<std::string>> others_;  // refs, roots, dead objects, the rest
  EntryChanges stored_entries_;
  std::unordered_map<std::string, Change> pending_;  // by count key
  std::deque<Change> up_, down_;
};

}  // namespace cairn
