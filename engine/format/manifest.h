// SPDX-License-Identifier: Apache-2.0
//
// Objects as bytes (docs/format/manifests.md): what a blob, tensor, model file, tree,
// snapshot or ref is made of. No I/O. Encoding is canonical: equal values give equal bytes,
// so that the ids of trees and snapshots, which are digests of these bytes, are stable.
// Decoders take hostile bytes: they name the field and the offset, check every sum for
// overflow, and allocate no more than the input's size justifies.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cairn/delta_kind.h"
#include "cairn/digest.h"
#include "cairn/dtype.h"
#include "engine/base/bytes.h"
#include "engine/format/record.h"

namespace cairn {

// One block of a blob.
struct BlockRef {
  Digest digest;
  std::uint32_t bytes = 0;  // logical; at least 1
  friend bool operator==(const BlockRef&, const BlockRef&) = default;
};

// A byte string of more than one block (or of none: the empty blob). A blob of exactly
// one block has no manifest: its id is that block's digest.
struct BlobManifest {
  std::uint64_t total_bytes = 0;  // equals the sum of the blocks
  std::vector<BlockRef> blocks;
  friend bool operator==(const BlobManifest&, const BlobManifest&) = default;
};

struct TensorManifest {
  DType dtype = DType::opaque;
  std::uint8_t attribute = 0;  // TensorRegion::attribute (engine/content/model_file.h)
  std::vector<std::uint64_t> shape;
  std::uint64_t bytes = 0;
  Digest blob;
  friend bool operator==(const TensorManifest&, const TensorManifest&) = default;
};

// A tensor inside a model file.
struct ModelTensor {
  std::string name;
  std::uint64_t offset = 0;  // of its bytes in the file
  std::uint64_t bytes = 0;
  Digest tensor;
  friend bool operator==(const ModelTensor&, const ModelTensor&) = default;
};

// A model file: its tensors, and in `skeleton` every other byte of it, in order. The file
// is rebuilt by filling the gaps between the tensors from the skeleton. Tensors are sorted
// by offset, inside the file, without overlap; sizes add up to total_bytes.
struct ModelManifest {
  std::uint8_t format = 0;  // ModelFormat
  std::uint64_t total_bytes = 0;
  Digest skeleton;  // a blob of skeleton_bytes
  std::uint64_t skeleton_bytes = 0;
  std::vector<ModelTensor> tensors;
  friend bool operator==(const ModelManifest&, const ModelManifest&) = default;
};

// Frozen numbers.
enum class EntryKind : std::uint8_t { file = 1, directory = 2, symlink = 3, state = 4 };

// Something in a tree. `path` is relative, its components separated by '/', none of them
// empty, "." or "..", no NUL; paths are unique and sorted bytewise, and every parent of an
// entry is a directory entry or is absent (implied), never a file or link.
struct TreeEntry {
  std::string path;
  EntryKind kind = EntryKind::file;
  std::uint32_t mode = 0;     // permission bits, 0 to 07777
  std::int64_t mtime_ns = 0;  // since the Unix epoch
  std::uint64_t bytes = 0;    // of a file; of a state, the sum of its values
  Digest blob;                // of a file: the digest of its bytes; of a state: its id
  bool is_model = false;      // a file: a ModelManifest exists for it
  std::uint32_t tensors = 0;  // in it, when it is a model or a state
  std::string link_target;    // of a symlink
  std::string note;           // why it was archived as opaque, or empty
  friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};

struct TreeManifest {
  std::vector<TreeEntry> entries;
  friend bool operator==(const TreeManifest&, const TreeManifest&) = default;
};

// One value of a state: a tensor, or an opaque part.
struct StateValue {
  std::string name;                    // any bytes; not a path
  RecordKind kind = RecordKind::blob;  // blob or tensor
  std::uint64_t bytes = 0;
  Digest id;
  friend bool operator==(const StateValue&, const StateValue&) = default;
};

// What a training process holds at one moment. Names are unique and sorted bytewise; the
// sum of all bytes does not overflow.
struct StateManifest {
  std::vector<StateValue> values;
  friend bool operator==(const StateManifest&, const StateManifest&) = default;
};

// One of the byte strings that a delta's payload consists of.
struct DeltaStream {
  std::uint64_t bytes = 0;
  Digest blob;
  friend bool operator==(const DeltaStream&, const DeltaStream&) = default;
};

// A tensor as its stored difference from another. Fields that its kind has no use for are empty.
struct DeltaManifest {
  static constexpr std::size_t kStreamsMax = 8;

  DeltaKind kind = DeltaKind::whole;
  DType dtype = DType::opaque;
  std::vector<std::uint64_t> shape;
  std::uint64_t bytes = 0;  // of the target
  Digest target;            // tensor id; of whole, that of a tensor in the store
  // Of all kinds but whole:
  Digest base;                       // tensor id
  std::vector<DeltaStream> streams;  // at most kStreamsMax; their sizes add up without overflow
  // Of lossy ones:
  Digest result;             // tensor id of what it gives instead of the target
  double max_error = 0;      // promised; neither this nor what follows is negative
  double largest_error = 0;  // that there is: not above max_error
  std::uint64_t exceptions = 0;
  std::uint64_t step = 0;  // of int8 and int16
  std::uint32_t axis = 0;  // of axis_scaled; one that the shape has
  friend bool operator==(const DeltaManifest&, const DeltaManifest&) = default;
};

struct SnapshotManifest {
  Digest tree;
  bool has_parent = false;
  Digest parent;
  std::int64_t created_ns = 0;  // wall clock; for people, orders nothing
  std::uint64_t logical_bytes = 0;
  std::uint64_t files = 0;
  std::uint64_t tensors = 0;
  std::map<std::string, std::string> metadata;
  friend bool operator==(const SnapshotManifest&, const SnapshotManifest&) = default;
};

// What name@version means. Later records for the same key replace earlier ones.
struct RefRecord {
  std::string name;
  std::uint64_t version = 0;  // files count from 1, checkpoints from 0
  bool removed = false;       // a tombstone; the rest is then empty
  Digest snapshot;
  std::int64_t created_ns = 0;
  std::uint64_t logical_bytes = 0;  // repeated from the snapshot, for listings
  std::map<std::string, std::string> tags;
  friend bool operator==(const RefRecord&, const RefRecord&) = default;
};

// An object that was put directly, or a delta, under one of the names it was given: what keeps it, and
// what its putter said about it. (kind, id, name) is unique; a later one replaces it.
struct Root {
  RecordKind kind = RecordKind::blob;  // blob, tensor or delta
  Digest id;
  std::string name;             // any bytes; may be empty
  bool removed = false;         // a tombstone; the rest is then empty
  std::uint64_t bytes = 0;      // logical
  std::int64_t created_ns = 0;  // wall clock; for people, orders nothing
  std::map<std::string, std::string> attributes;
  friend bool operator==(const Root&, const Root&) = default;
};

// A larger ref record is refused, when it is written and when it is replayed.
inline constexpr std::uint64_t kRefBytesMax = MiB;

// A larger roots record is refused: writers split what is not one atomic change.
inline constexpr std::uint64_t kRootsBytesMax = 64 * MiB;

// Roots that change together: all of them or, after a crash, none.
struct RootsRecord {
  std::vector<Root> roots;
  friend bool operator==(const RootsRecord&, const RootsRecord&) = default;
};

// A block or object that is referred to. What is referred to as a blob may be a blob
// manifest or a single block; both go by the digest of the same content.
struct Reference {
  RecordKind kind = RecordKind::block;
  Digest id;
  friend bool operator==(const Reference&, const Reference&) = default;
};

// A small value under a key: what results, experiments, metrics and operations are kept in.
struct StoredEntry {
  std::string key;            // any bytes, not empty
  bool removed = false;       // a tombstone; the rest but the version is then empty
  std::uint64_t version = 0;  // of the write that it is from; never 0
  std::string value;
  std::vector<std::string> index_keys;  // under which it is found as well
  std::vector<Reference> references;    // content that it keeps
  friend bool operator==(const StoredEntry&, const StoredEntry&) = default;
};

// How long the store has been in use, as its last writer knew it, and the moment of that on a
// clock of the machine that nobody can set, which begins anew when the machine does.
struct StoreClock {
  std::uint64_t store_time_ns = 0;
  std::uint64_t boot = 0;  // which run of the machine
  std::uint64_t boot_time_ns = 0;
  friend bool operator==(const StoreClock&, const StoreClock&) = default;
};

// Entries that change together: all of them or, after a crash, none. Of one key the last counts.
struct EntriesRecord {
  StoreClock clock;
  std::vector<StoredEntry> entries;
  friend bool operator==(const EntriesRecord&, const EntriesRecord&) = default;
};

// A larger entries record is refused, as a larger roots record is.
inline constexpr std::uint64_t kEntriesBytesMax = 64 * MiB;
inline constexpr std::size_t kEntryKeyBytesMax = 4096;
inline constexpr std::size_t kEntryValueBytesMax = MiB;

// Segments that were reclaimed: it is no damage that their files are missing. The latest
// record replaces all earlier ones.
struct ReclaimedRecord {
  struct Range {
    std::uint32_t first = 0, last = 0;  // both inclusive
    friend bool operator==(const Range&, const Range&) = default;
  };
  std::vector<Range> ranges;  // ascending, from 1, with a gap between any two

  bool contains(std::uint32_t segment) const noexcept;
  void add(std::uint32_t segment);
  friend bool operator==(const ReclaimedRecord&, const ReclaimedRecord&) = default;
};

std::vector<std::byte> encode(const BlobManifest&);
std::vector<std::byte> encode(const TensorManifest&);
std::vector<std::byte> encode(const ModelManifest&);
std::vector<std::byte> encode(const TreeManifest&);
std::vector<std::byte> encode(const StateManifest&);
std::vector<std::byte> encode(const DeltaManifest&);
std::vector<std::byte> encode(const SnapshotManifest&);
std::vector<std::byte> encode(const RefRecord&);
std::vector<std::byte> encode(const RootsRecord&);
std::vector<std::byte> encode(const EntriesRecord&);
std::vector<std::byte> encode(const ReclaimedRecord&);
// All of an entry but its key, which the index has in a key of its own.
std::vector<std::byte> encode_entry_body(const StoredEntry&);

// ErrorCode::corruption with the field and offset, or unsupported for a newer version.
Result<BlobManifest> decode_blob(Bytes);
Result<TensorManifest> decode_tensor(Bytes);
Result<ModelManifest> decode_model(Bytes);
Result<TreeManifest> decode_tree(Bytes);
Result<StateManifest> decode_state_manifest(Bytes);
Result<DeltaManifest> decode_delta(Bytes);
Result<SnapshotManifest> decode_snapshot(Bytes);
Result<RefRecord> decode_ref(Bytes);
Result<RootsRecord> decode_roots(Bytes);
Result<EntriesRecord> decode_entries(Bytes);
Result<ReclaimedRecord> decode_reclaimed(Bytes);
Result<StoredEntry> decode_entry_body(std::string_view key, Bytes);

// Identity of what is not plain bytes: the store's digest of a domain prefix and the
// canonical fields. A tensor's name is not part of it.
Digest tensor_id(DigestKind, DType, std::uint8_t attribute, const std::vector<std::uint64_t>& shape,
                 const Digest& blob);
Digest tree_id(DigestKind, Bytes encoded_tree);
Digest state_id(DigestKind, Bytes encoded_state);
Digest delta_id(DigestKind, Bytes encoded_delta);
Digest snapshot_id(DigestKind, Bytes encoded_snapshot);
Digest ref_key(DigestKind, std::string_view name, std::uint64_t version);

// Whether a name may be given to a ref: 1 to 255 bytes of UTF-8 without control
// characters, '@', leading or trailing space or '/', and no "." or ".." component.
// The error says which rule is broken and quotes the name safely.
Status check_ref_name(std::string_view name);
// Whether `path` may stand in a TreeEntry (see there).
Status check_tree_path(std::string_view path);
// `text` with control characters and invalid UTF-8 escaped as \xNN: safe to print.
std::string printable(std::string_view text);

}  // namespace cairn
