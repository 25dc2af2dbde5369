// SPDX-License-Identifier: Apache-2.0
//
// Model files and folders under names with numbered versions: put in deduplicated and
// compressed as the tensors they hold, brought back bit for bit.
//
// An Archive borrows its Store. One call that writes (add, tag, remove, forget) at a time per store; any
// number of threads may read beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/digest.h"
#include "cairn/dtype.h"
#include "cairn/progress.h"
#include "cairn/result.h"
#include "cairn/retention.h"
#include "cairn/similar.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

enum class Codec : std::uint8_t { automatic, none, lz4, zstd };

struct AddOptions {
  std::string name;  // empty: the base name of the one path given
  Tags tags;
  Codec codec = Codec::automatic;
  int zstd_level = 3;  // 1 to 19
  // "auto": a tensor's new blocks may become the difference from those that the tensor of the same name, dtype and
  // shape has in the version before; not when `codec` names one. NAME or NAME@V: from those in that version; not_found
  // when there is none. "none": all are kept whole.
  std::string base = "auto";
  bool force = false;    // read files even when they look unchanged since they were added
  bool dry_run = false;  // read, split and compare; write nothing
};

struct AddReport {
  std::string name;
  std::uint64_t version = 0;  // 0 after a dry run
  std::string snapshot;       // id, text form; empty after a dry run
  std::uint64_t files = 0, tensors = 0;
  std::uint64_t opaque_files = 0;   // files in which no tensors were found
  std::uint64_t unreadable = 0;     // inputs left out; each was reported as a problem
  std::uint64_t logical_bytes = 0;  // what the inputs hold
  std::uint64_t new_bytes = 0;      // logical bytes of blocks not known before
  std::uint64_t stored_bytes = 0;   // bytes appended to the log, headers included
  std::uint64_t new_blocks = 0, known_blocks = 0;
  std::string base;                   // NAME@V: what tensors were compared with; empty: nothing
  std::uint64_t delta_blocks = 0;     // of the new ones, that are the difference from others; 0 after a dry run
  std::uint64_t unchanged_files = 0;  // not read, because nothing about them had changed
};

struct RestoreOptions {
  std::string to;                 // a folder; created when missing
  std::vector<std::string> only;  // globs (*, ?, [] and **) over whole paths; empty: everything
  bool overwrite = false;         // replace files that exist; otherwise they are an error
};

struct RestoreReport {
  std::uint64_t files = 0, bytes = 0;
  std::uint64_t damaged = 0;  // files left out because the store lost or spoiled part of them
};

// What a name's version is. `NAME` alone means its latest version.
struct RefInfo {
  std::string name;
  std::uint64_t version = 0;
  std::string snapshot;
  std::int64_t created_ns = 0;  // since the Unix epoch
  std::uint64_t logical_bytes = 0;
  Tags tags;
};

// A version and what it was made from.
struct VersionInfo {
  RefInfo ref;
  std::uint64_t files = 0, tensors = 0;
  std::string parent;  // the snapshot id of the version before it when it was made; empty: none
  std::optional<std::uint64_t> parent_version;  // of the same name, while it is there
};

struct ForgetReport {
  std::vector<RefInfo> removed;  // ascending
  std::uint64_t kept = 0;
};

struct EntryInfo {
  std::string path;
  std::string kind;  // "file", "directory", "symlink"; of a checkpoint "state", and "part" for its opaque parts
  std::uint64_t bytes = 0;
  std::string id;      // of a file, state or part: text form; empty otherwise
  std::string format;  // "safetensors", …, "opaque"; empty when no file
  std::uint64_t tensors = 0;
  std::uint32_t mode = 0;
  std::int64_t mtime_ns = 0;
  std::string link_target;
  std::string note;
};

// Blocks that are stored as the difference from others, by what they are from.
struct TensorBase {
  std::string ref, tensor;   // NAME@V, and the tensor in it that has those; empty when that is not known
  std::string id;            // of that tensor, or else of the one block
  std::uint64_t blocks = 0;  // that rely on it; one that is predicted from several counts for each
};

struct TensorInfo {
  std::string path;  // of the file it is in; empty when shown by id
  std::string name;
  DType dtype = DType::opaque;
  std::vector<std::uint64_t> shape;
  std::uint64_t bytes = 0;
  std::string id, blob;
  // How it is stored: blocks by codec ("float_split" → 12), and bytes in the log. Blocks
  // shared with other objects are counted in each.
  std::map<std::string, std::uint64_t> codecs;
  std::uint64_t stored_bytes = 0;
  std::vector<TensorBase> bases;  // of codec "delta"; those with most blocks first; show() alone finds out
};

struct ObjectInfo {
  std::string kind;  // "snapshot", "tree", "state", "model", "tensor", "delta", "blob", "block"
  std::string id;
  std::uint64_t bytes = 0;  // logical
  std::uint64_t stored_bytes = 0;
  std::map<std::string, std::uint64_t> codecs;
  std::string format;               // of a model; of a delta, its kind
  std::optional<RefInfo> ref;       // when asked for by name
  Tags metadata;                    // of a snapshot; of a delta, what it is made of
  std::vector<EntryInfo> entries;   // of a snapshot or tree
  std::vector<TensorInfo> tensors;  // of a snapshot, model or tensor
};

struct TensorChange {
  std::string path, name;
  std::string what;                 // "added", "removed", "changed"
  std::uint64_t bytes = 0;          // of the newer one, or of the one removed
  std::uint64_t changed_bytes = 0;  // bytes in blocks that differ
  // For floats of equal shape and dtype, over all elements; absent otherwise.
  std::optional<double> max_abs_difference, mean_abs_difference;
};

struct DiffReport {
  std::uint64_t same = 0, changed = 0, added = 0, removed = 0;  // tensors and opaque files
  std::vector<TensorChange> changes;
};

class StoreImpl;

class Archive {
 public:
  // Archives files, folders and symbolic links as the next version of a name. The
  // snapshot is complete and synced when this returns; until then the name does not
  // change. What cannot be read is left out, reported and counted.
  Result<AddReport> add(const std::vector<std::string>& paths, const AddOptions& options,
                        const Progress& progress = {});

  // Restores what name@version holds into options.to: contents, names, modes, times and
  // links; every file is verified, written under a temporary name and renamed when whole.
  // Never writes outside options.to, whatever the names in the tree or links on disk.
  // Damaged files are left out, reported and counted; the others are restored.
  Result<RestoreReport> restore(const std::string& ref, const RestoreOptions& options, const Progress& progress = {});

  Result<std::vector<RefInfo>> list();                             // by name, then version
  Result<RefInfo> resolve(const std::string& ref);                 // "NAME" or "NAME@V"
  Result<std::vector<EntryInfo>> entries(const std::string& ref);  // by path
  Result<ObjectInfo> show(const std::string& ref_or_id);
  Result<DiffReport> diff(const std::string& ref_a, const std::string& ref_b, const Progress& progress = {});
  // Which tensors are the same, and which resemble each other. Reads one block of every tensor that has the dtype and
  // shape of another, and all of those that turn out to be similar. What is damaged is passed over.
  Result<SimilarReport> similar(const SimilarOptions& options = {}, const Progress& progress = {});

  // Hands the bytes of a file, blob or tensor, verified, to `sink` in order.
  using Sink = std::function<Status(std::span<const std::byte>)>;
  Status read_file(const std::string& ref, const std::string& path, const Sink& sink);
  Status read_object(const std::string& id, const Sink& sink);

  // A tensor by name (of a version of a model: "FILE:TENSOR" when several files have it)
  // or, with `ref` an id and `tensor` empty, by id.
  Result<TensorInfo> find_tensor(const std::string& ref, const std::string& tensor);
  Status read_tensor(const TensorInfo& tensor, const Sink& sink);

  // Sets tags of name@version; an empty value removes one. Returns what holds after.
  Result<RefInfo> tag(const std::string& ref, const Tags& changes);

  // NAME@V removes one version, NAME all of them; not_found when there is none. They are gone,
  // and stay so after power loss, when this returns; a crash before may leave any of them.
  // What they held and nothing else holds becomes dead space in the log, which nothing gives back yet. The numbers of
  // the newest versions, once removed, are given again. A dry run only reports.
  Result<ForgetReport> remove(const std::string& ref, bool dry_run = false);
  // Removes those versions of a name that the policy does not keep.
  Result<ForgetReport> forget(const std::string& name, const RetentionPolicy& policy, bool dry_run = false);
  // NAME or NAME@V: that version and those before it, the newest first.
  Result<std::vector<VersionInfo>> log(const std::string& ref);

 private:
  friend class Store;
  friend class Checkpoints;
  explicit Archive(StoreImpl& store) : store_(&store) {}
  StoreImpl* store_;
};

}  // namespace cairn
#pragma GCC visibility pop
