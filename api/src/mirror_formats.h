// SPDX-License-Identifier: Apache-2.0
//
// What a mirror asks the engine about: digests, what objects are made of, and what statements say.
#pragma once

#include "engine/format/manifest.h"
#include "engine/index/index.h"
#include "replication/content.h"

namespace cairn {

// Any thread.
class MirrorFormats final : public mirror::Formats {
 public:
  explicit MirrorFormats(DigestKind digest) : digest_(digest) {}
  DigestKind digest_kind() const override { return digest_; }
  Digest digest_of(Bytes bytes) const override;
  Result<std::vector<mirror::ContentId>> parts_of(const mirror::ContentId& object, Bytes payload) const override;
  Status check_object(const mirror::Content& object) const override;
  bool matches_checksum(const mirror::Content& content) const override;
  Result<std::vector<mirror::ContentId>> needs_of(const mirror::Statement& statement) const override;

 private:
  const DigestKind digest_;
};

// The kinds are those of records. A statement is of one ref, root or entry: those that the log has in one record are
// mirrored each by itself, since each may be replaced by itself.
mirror::Statement statement_of(const RefRecord& ref);
mirror::Statement statement_of(const Root& root);
mirror::Statement statement_of(const StoredEntry& entry);
// How long a store has been in use (StoreClock): TTLs count that. It has the empty key among the entries.
mirror::Statement statement_of(const StoreClock& clock);
bool is_clock(const mirror::Statement& statement);

// What a statement says; hostile. All but the key is empty in a tombstone.
Result<RefRecord> ref_of(const mirror::Statement& statement);
Result<Root> root_of(const mirror::Statement& statement);
Result<StoredEntry> entry_of(const mirror::Statement& statement);
Result<StoreClock> clock_of(const mirror::Statement& statement);

}  // namespace cairn
