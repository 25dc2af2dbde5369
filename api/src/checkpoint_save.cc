// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints::save: the values go through the writer's queue as others do; what stands for
// them is a state, a snapshot and a ref instead of roots, and results beside it. And when it is
// time to save.
#include <algorithm>
#include <chrono>
#include <iterator>

#include "api/src/retention.h"
#include "api/src/store_impl.h"
#include "api/src/tables.h"
#include "cairn/checkpoints.h"
#include "engine/base/errors.h"
#include "engine/write/async_writer.h"

namespace cairn {
namespace {

// A ref is read whole wherever versions are listed.
constexpr std::size_t kTagBytesMax = 64 * KiB;

std::int64_t wall_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class CheckpointEnd final : public GroupEnd {
 public:
  struct Results {
    LogEntryStore* entries = nullptr;  // null: there are none
    std::vector<EntryChange> changes = {};
  };

  CheckpointEnd(std::string name, std::uint64_t generation, Tags tags, RetentionPolicy retention, DigestKind digest,
                Results results)
      : name_(std::move(name)),
        generation_(generation),
        tags_(std::move(tags)),
        retention_(std::move(retention)),
        digest_(digest),
        results_(std::move(results)) {}

  Status append(BlockSink& sink, Index& index, std::vector<Root> values) override {
    StateManifest state;
    TreeEntry entry{.path = "state", .kind = EntryKind::state, .mode = 0644, .mtime_ns = wall_clock_ns()};
    for (Root& value : values) {
      entry.bytes += value.bytes;
      entry.tensors += value.kind == RecordKind::tensor ? 1 : 0;
      state.values.push_back({.name = std::move(value.name), .kind = value.kind, .bytes = value.bytes, .id = value.id});
    }
    std::sort(state.values.begin(), state.values.end(),
              [](const StateValue& a, const StateValue& b) { return a.name < b.name; });
    const std::vector<std::byte> encoded_state = encode(state);
    entry.blob = state_id(digest_, encoded_state);
    CAIRN_TRY(const auto parent, version_before(sink, index));
    const std::vector<std::byte> tree = encode(TreeManifest{.entries = {entry}});
    const SnapshotManifest snapshot{.tree = tree_id(digest_, tree),
                                    .has_parent = parent.has_value(),
                                    .parent = parent.value_or(Digest{}),
                                    .created_ns = entry.mtime_ns,
                                    .logical_bytes = entry.bytes,
                                    .files = values.size() - entry.tensors + (entry.tensors > 0 ? 1 : 0),
                                    .tensors = entry.tensors,
                                    .metadata = tags_};
    const std::vector<std::byte> encoded_snapshot = encode(snapshot);
    const Digest id = snapshot_id(digest_, encoded_snapshot);
    CAIRN_CHECK(sink.write_object(RecordKind::state, entry.blob, encoded_state));
    CAIRN_CHECK(sink.write_object(RecordKind::tree, snapshot.tree, tree));
    CAIRN_CHECK(sink.write_object(RecordKind::snapshot, id, encoded_snapshot));
    // Last: until it is synced, nothing refers to what was written.
    RefRecord ref{.name = name_,
                  .version = generation_,
                  .snapshot = id,
                  .created_ns = snapshot.created_ns,
                  .logical_bytes = snapshot.logical_bytes,
                  .tags = tags_};
    if (results_.entries == nullptr) return sink.write_ref(ref);
    return results_.entries->write_with(sink, {.refs = {std::move(ref)}}, std::move(results_.changes));
  }

  std::pair<std::string, std::uint64_t> version() const override { return {name_, generation_}; }

  Status follow_up(BlockSink& sink, Index& index, const std::set<std::uint64_t>& saved) override {
    if (retention_.keep_last == 0) return {};
    std::vector<RefRecord> versions;
    const auto collect = [&](const RefRecord& ref) -> Result<bool> {
      versions.push_back(ref);
      return true;
    };
    CAIRN_CHECK(index.for_each_version(name_, 0, collect));
    const std::vector<bool> removed = to_be_removed(versions, retention_, saved);
    for (std::size_t i = 0; i < versions.size(); ++i) {
      if (removed[i]) CAIRN_CHECK(sink.write_ref({.name = name_, .version = versions[i].version, .removed = true}));
    }
    return {};
  }

 private:
  // The snapshot of the generation before, which may be on its way itself.
  Result<std::optional<Digest>> version_before(const BlockSink& sink, Index& index) const {
    CAIRN_TRY(std::optional<RefRecord> before, index.ref_below(name_, generation_));
    for (const RefRecord& pending : sink.pending_refs()) {
      const bool fits = pending.name == name_ && pending.version < generation_ && !pending.removed;
      if (fits && (!before || pending.version >= before->version)) before = pending;
    }
    return before ? std::optional(before->snapshot) : std::nullopt;
  }

  const std::string name_;
  const std::uint64_t generation_;
  const Tags tags_;
  const RetentionPolicy retention_;
  const DigestKind digest_;
  Results results_;
};

Result<CheckpointEnd::Results> results_of(StoreImpl& store, const std::vector<CheckpointResult>& results) {
  if (results.empty()) return CheckpointEnd::Results();
  CAIRN_TRY(StoreImpl::Tables * tables, store.tables());
  CheckpointEnd::Results prepared{.entries = &tables->entries};
  for (const CheckpointResult& result : results) {
    if (result.options.memory_only) {
      return make_error(ErrorCode::invalid_argument, "result '" + printable(result.key.substr(0, 64)) +
                                                         "': what is saved with a checkpoint is not in memory only");
    }
    ResultTable::Values one;
    one.emplace_back(result.key, result.value);
    CAIRN_TRY(auto changes, tables->results.prepare(result.name_space, std::move(one), result.options));
    std::ranges::move(changes, std::back_inserter(prepared.changes));
  }
  CAIRN_CHECK(tables->entries.check(prepared.changes));
  return prepared;
}

Result<Tags> tags_of(const SaveOptions& options) {
  Tags tags = options.metadata;
  for (const auto& [name, value] : options.metrics) {
    if (!tags.emplace(name, metric_text(value)).second) {
      return make_error(ErrorCode::invalid_argument, "'" + printable(name) + "' is a metric and metadata");
    }
  }
  std::size_t bytes = 0;
  for (const auto& [name, value] : tags) {
    if (name.empty()) return make_error(ErrorCode::invalid_argument, "a metric or metadata has a name");
    bytes += name.size() + value.size();
  }
  if (bytes > kTagBytesMax) {
    return make_error(ErrorCode::invalid_argument,
                      "metrics and metadata take " + std::to_string(bytes) + " bytes, more than 64 KiB");
  }
  return tags;
}

Status check_state(const std::vector<Put>& state) {
  std::vector<std::string_view> names;
  for (const Put& put : state) {
    if (!put.attributes.empty()) {
      return make_error(ErrorCode::invalid_argument,
                        "value '" + printable(put.name) + "': the values of a checkpoint have no attributes");
    }
    names.push_back(put.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return make_error(ErrorCode::invalid_argument, "two values are named '" + printable(*twice) + "'");
}

// Nothing was taken: memory that was moved is free.
Ticket refused(const std::vector<Put>& state, const Error& error) {
  for (const Put& put : state) {
    if (put.handover == Handover::move && put.release) put.release();
  }
  auto failed = std::make_shared<TicketState>();
  failed->fail(error, false);
  return Ticket(std::move(failed));
}

}  // namespace

Ticket Checkpoints::save(std::uint64_t generation, std::vector<Put> state, const SaveOptions& options) {
  auto tags = tags_of(options);
  if (!tags.ok()) return refused(state, Error(tags.error()).with_context(name_));
  for (const Status& status : {check_ref_name(name_), check_policy(options.retention), check_state(state)}) {
    if (!status.ok()) return refused(state, Error(status.error()).with_context(name_));
  }
  const auto writer = store_->writer();
  if (!writer.ok()) return refused(state, writer.error());
  auto results = results_of(*store_, options.results);
  if (!results.ok()) return refused(state, Error(results.error()).with_context(name_));
  auto end = std::make_unique<CheckpointEnd>(name_, generation, std::move(tags).value(), options.retention,
                                             store_->header().digest, std::move(results).value());
  return Ticket((*writer)->queue().push(
      std::move(state), {.on_full = options.on_full, .durability = options.durability}, std::move(end)));
}

bool CheckpointSchedule::should_checkpoint(std::uint64_t step, std::uint64_t epoch, Clock::time_point now) {
  const auto passed = [](std::uint64_t every, std::uint64_t at, std::uint64_t last) {
    return every > 0 && at / every > last / every;
  };
  const std::chrono::duration<double> waited = now - time_;
  const bool due = passed(policy_.every_steps, step, step_) || passed(policy_.every_epochs, epoch, epoch_) ||
                   (policy_.every_seconds > 0 && waited.count() >= policy_.every_seconds);
  if (!due) return false;
  step_ = step;
  epoch_ = epoch;
  time_ = now;
  return true;
}

}  // namespace cairn
