// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints: the state of a training process, saved under an experiment and a generation.
//
// A state is a set of named values: tensors, and opaque parts (optimizer state, population,
// scheduler, random number generators). It becomes visible whole, in one commit; a value
// that has not changed since any earlier save costs a digest and no space. Metrics and
// metadata are kept apart from it: finding and listing checkpoints loads nothing.
//
// A checkpoint is version GENERATION of the name checkpoints/EXPERIMENT: the archive's calls
// and the command's verbs (ls, show, diff, tag, log, rm, forget, get) work on it too.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/archive.h"
#include "cairn/objects.h"
#include "cairn/result.h"
#include "cairn/results.h"
#include "cairn/retention.h"
#include "cairn/ticket.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

// A result that belongs to a checkpoint: its evaluation, say (Store::results(name_space)).
struct CheckpointResult {
  std::string name_space = {};
  std::string key;
  ResultValue value;
  ResultOptions options = {};  // on_full and durability are the checkpoint's; not memory_only
};

struct SaveOptions {
  // Both become tags, which the archive's tag() may change later, so their names differ.
  std::map<std::string, double> metrics = {};
  Tags metadata = {};
  // Applied to the experiment once this checkpoint is committed, and before its ticket says
  // so. The one just saved stays, however old its number. Reads the tags of all that are there.
  RetentionPolicy retention = {};
  OnFull on_full = OnFull::block;
  Durability durability = Durability::grouped;
  // Written in the commit that makes the checkpoint visible: after a crash both are there, or neither.
  // Where the version of one is not the one that it asks for, the ticket has ErrorCode::conflict, and
  // neither is. Keys are unique. TTLs begin when save() is called. At most 32 MiB, copied, which count
  // in no budget. Whoever reads meanwhile may find a result shortly before the checkpoint.
  std::vector<CheckpointResult> results = {};
};

struct CheckpointInfo {
  std::uint64_t generation = 0;
  std::int64_t created_ns = 0;  // since the Unix epoch, by the clock of the machine
  std::uint64_t logical_bytes = 0;
  std::string snapshot;  // id, text form
  Tags tags;             // metrics, metadata, and what was tagged since

  std::optional<double> metric(std::string_view name) const { return metric_of(tags, name); }
  bool pinned() const { return tags.contains(std::string(kPinnedTag)); }
};

struct CheckpointPage {
  std::vector<CheckpointInfo> checkpoints;  // by generation, ascending
  std::optional<std::uint64_t> next;        // where the next page begins; nothing: this was the last
};

struct CheckpointStats {
  std::uint64_t count = 0, pinned = 0;
  std::uint64_t logical_bytes = 0;  // before deduplication
  std::optional<std::uint64_t> first, latest;
};

// What a checkpoint holds under a name.
struct ValueInfo {
  std::string name;
  std::string id;  // text form
  std::uint64_t bytes = 0;
  std::optional<TensorLayout> tensor;  // absent: an opaque part; never with strides
};

struct LoadedValue {
  ValueInfo info;
  std::vector<std::byte> bytes;
};

// Where a value goes. `into` has its exact size; the dtype and shape given must be its own.
struct LoadTarget {
  std::string name;
  std::span<std::byte> into;
  std::optional<TensorLayout> tensor = {};  // without strides; absent: only the size is compared
};

class StoreImpl;

// Of one experiment. Borrows its Store; any number of threads. What was saved by this handle
// of the store before is found: a call waits until it is committed.
class Checkpoints {
 public:
  // Hands the state over as Store::put_many_async does (budget, handover, tickets; no
  // attributes), and returns at once. Names are unique. The ticket's ids are those of the
  // values. A state larger than the writer's budget needs OnFull::block. A generation that is
  // there is replaced in the moment of the commit.
  Ticket save(std::uint64_t generation, std::vector<Put> state, const SaveOptions& options = {});

  // The highest generation, found without a scan; nothing when there is none.
  Result<std::optional<CheckpointInfo>> latest();
  // By a metric: what is not a number comes last, and of equal ones the later comes first.
  // Nothing when no checkpoint has the metric.
  Result<std::optional<CheckpointInfo>> best(const std::string& metric, Best best);
  // not_found when there is no such generation, here and below.
  Result<CheckpointInfo> info(std::uint64_t generation);
  // At most `limit` checkpoints, beginning with the first that is not below `from`.
  Result<CheckpointPage> list(std::uint64_t from = 0, std::size_t limit = 1000);
  Result<CheckpointStats> stats();
  // Names, sizes, dtypes and shapes, by name; no content.
  Result<std::vector<ValueInfo>> values(std::uint64_t generation);

  // All values, or those whose names match one of the globs `only`; verified; by name.
  Result<std::vector<LoadedValue>> load(std::uint64_t generation, const std::vector<std::string>& only = {});
  // The values named, into the caller's memory. The error names the first that is missing, or
  // differs in size, dtype or shape: then nothing was written. After another failure the
  // memory holds rubbish.
  Status load_into(std::uint64_t generation, std::span<const LoadTarget> targets);
  // As Store::get_slice.
  Result<std::vector<std::byte>> load_slice(std::uint64_t generation, const std::string& tensor,
                                            const std::vector<std::uint64_t>& begin,
                                            const std::vector<std::uint64_t>& end);

  Status remove(std::uint64_t generation);
  // A pinned checkpoint is removed by no policy.
  Status pin(std::uint64_t generation, bool pinned = true);
  Result<ForgetReport> forget(const RetentionPolicy& policy, bool dry_run = false);

 private:
  friend class Store;
  Checkpoints(StoreImpl& store, const std::string& experiment) : store_(&store), name_("checkpoints/" + experiment) {}
  StoreImpl* store_;
  std::string name_;  // of the refs
};

// When to save: whenever one of these has been reached again. Zero: not by this one.
struct CheckpointPolicy {
  std::uint64_t every_steps = 0;
  std::uint64_t every_epochs = 0;
  double every_seconds = 0;
};

// Owned by one thread.
class CheckpointSchedule {
 public:
  using Clock = std::chrono::steady_clock;
  // Counts from here: 0, or where training was resumed.
  explicit CheckpointSchedule(const CheckpointPolicy& policy, std::uint64_t step = 0, std::uint64_t epoch = 0,
                              Clock::time_point now = Clock::now())
      : policy_(policy), step_(step), epoch_(epoch), time_(now) {}

  // True when a multiple of every_steps or every_epochs was reached or passed, or every_seconds
  // have gone by, since it last said so.
  bool should_checkpoint(std::uint64_t step, std::uint64_t epoch = 0, Clock::time_point now = Clock::now());

 private:
  CheckpointPolicy policy_;
  std::uint64_t step_, epoch_;  // when it last said so
  Clock::time_point time_;
};

}  // namespace cairn
#pragma GCC visibility pop
