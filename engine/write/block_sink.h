// SPDX-License-Identifier: Apache-2.0
//
// Where every way into the store ends: known? encode, append, sync, commit.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/base/buffer_pool.h"
#include "engine/codec/block_codec.h"
#include "engine/index/index.h"
#include "engine/log/log_writer.h"
#include "engine/write/base_source.h"

namespace cairn {

struct WriteOptions {
  DigestKind digest = DigestKind::blake3;
  std::uint32_t block_bytes = MiB;
  EncodeOptions encode;
  // Split, digest and compare, but append nothing.
  bool dry_run = false;
};

struct WriteCounters {
  std::uint64_t new_blocks = 0, known_blocks = 0;
  std::uint64_t delta_blocks = 0;  // of the new ones, that are the difference from others
  std::uint64_t new_bytes = 0;     // logical, of new blocks
};

// Owned by one thread, which alone writes to `log` and applies to `index` meanwhile, but
// for prepare(). What the log had no room for (ErrorCode::no_space, and the log has not
// failed) is as if it had not been handed over; commit() covers all the rest.
class BlockSink {
 public:
  // A block on its way in. `hold` and `payload_hold` keep the memory that the others view.
  struct Block {
    Digest digest;
    DType dtype = DType::opaque;
    std::shared_ptr<const void> hold;
    Bytes content;
    bool claimed = false;  // by this one, for writing
    bool known = false;    // in the index, and not quarantined; when neither, somebody else had claimed it
    CodecId codec = CodecId::raw;
    std::shared_ptr<const void> payload_hold;
    Bytes payload;
    std::uint64_t checksum = 0;   // of the payload
    std::optional<Digest> base;   // of a delta
    BaseSource* bases = nullptr;  // where that is from
  };

  // `stored` says what objects that are in the log are made of.
  BlockSink(const WriteOptions& options, Index& index, LogWriter& log, ObjectParts& stored);
  ~BlockSink();
  BlockSink(const BlockSink&) = delete;
  BlockSink& operator=(const BlockSink&) = delete;

  // Any thread: digest, known? encode. On failure nothing is claimed. What the store has never had, or
  // has forgotten, may become the difference from another; the source of `place` outlives append().
  Result<Block> prepare(std::shared_ptr<const void> hold, Bytes content, DType dtype, const BlockPlace& place = {});
  // The block is in the log before anything that is appended later. True when it is new.
  Result<bool> append(const Block& block);
  // Writes a block that is known again, encoded otherwise: what was there is dead once this is
  // committed. `payload` is `codec`'s, of the content that `digest` names, and is copied. A
  // delta's bases are there, good, and not themselves the difference from this block.
  Status replace(const Digest& digest, std::uint32_t logical_bytes, CodecId codec, Bytes payload,
                 const std::vector<Digest>& bases = {});
  // Instead of append(): the block is not written by this one.
  void disclaim(const Block& block);

  // Objects that are known, and not quarantined, are not written again.
  Status write_object(RecordKind kind, const Digest& id, Bytes payload);
  Status write_blob_manifest(const Digest& id, std::vector<BlockRef> blocks, std::uint64_t total_bytes);
  // The same without a commit once much has been appended: not all is appended yet of what is settled with it.
  Status append_blob_manifest(const Digest& id, std::vector<BlockRef> blocks, std::uint64_t total_bytes);
  // What makes content visible. In one group of the log: all of it or, after a crash, none.
  struct Statements {
    std::vector<RefRecord> refs = {};
    std::vector<Root> roots = {};  // in one record
    std::optional<EntriesRecord> entries = {};
  };
  Status write(Statements statements);
  Status write_ref(const RefRecord& ref) { return write({.refs = {ref}}); }
  Status write_roots(std::vector<Root> roots) { return write({.roots = std::move(roots)}); }
  Status write_entries(EntriesRecord record) { return write({.entries = std::move(record)}); }
  // Appended and not yet in the index, in the order of the log.
  const std::deque<RefRecord>& pending_refs() const noexcept { return pending_refs_; }
  // Called once: when everything appended before is in the index, or, with an error, when this ends
  // without that.
  using Settled = std::function<void(const Status& committed)>;
  void when_settled(Settled settled) { settled_.push_back(std::move(settled)); }
  // Noted with the next commit.
  void remember(std::string path, SeenFile seen) { seen_.emplace_back(std::move(path), std::move(seen)); }

  // Everything appended so far survives power loss, and is in the index.
  Status commit();
  // The same once much has been appended: what an interrupted caller need not write again.
  Status commit_if_due();
  // After blocks were prepared that will never be appended: commits the others.
  Status abandon();

  const WriteOptions& options() const noexcept { return options_; }
  const WriteCounters& counters() const noexcept { return counters_; }

 private:
  // Of blocks that are not in the index yet.
  enum class Claim : std::uint8_t { taken, appended };

  // What was just written need not be read back.
  class Parts final : public ObjectParts {
   public:
    explicit Parts(ObjectParts& stored) : stored_(stored) {}
    void remember(RecordKind kind, const Digest& id, Bytes payload);
    void remember_delta(const Digest& id, Bytes payload);
    void forget();
    Result<std::optional<std::vector<Reference>>> parts_of(const Digest& id, const RecordLocation& at) override;

   private:
    void remember(RecordKind kind, const Digest& id, Bytes payload, std::vector<Reference> references);

    ObjectParts& stored_;
    // The checksum is the payload's: the same bytes may be cut in more than one way.
    std::map<std::tuple<RecordKind, Digest, std::uint64_t>, std::vector<Reference>> recent_;
    std::size_t references_ = 0;  // in all of them
  };

  // Whether it was not known.
  Result<bool> append_object(RecordKind kind, const Digest& id, Bytes payload);
  Status claim(Block& block);
  // What is quarantined, or relies on what is, is written again.
  Result<bool> is_good(const Digest& block, const std::optional<RecordLocation>& known);
  bool has_statements() const;
  IndexBatch batch_of(const LogWriter::Synced& synced);
  Status apply(const LogWriter::Synced& synced, const IndexBatch& batch);
  Status encode_block(Block& block, const BlockPlace& place = {});
  Result<bool> may_become_delta(const Block& block);
  // Whether it is a delta.
  Result<bool> write_block(Block block);
  Result<bool> begin_append(const Block& block);

  const WriteOptions options_;
  Index& index_;
  LogWriter& log_;
  BufferPool buffers_;  // of block_bytes, for encoded payloads
  WriteCounters counters_;

  std::mutex claims_mutex_;
  std::unordered_map<Digest, Claim> claims_;                 // guarded by claims_mutex_
  std::set<std::pair<RecordKind, Digest>> pending_objects_;  // appended, not yet in the index
  std::deque<RefRecord> pending_refs_;
  std::deque<std::vector<Root>> pending_roots_;  // by record
  std::deque<EntriesRecord> pending_entries_;
  std::vector<Settled> settled_;
  ObjectParts& stored_;
  Parts parts_;
  std::vector<std::pair<std::string, SeenFile>> seen_;
};

}  // namespace cairn
