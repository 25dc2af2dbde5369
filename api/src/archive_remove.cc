// SPDX-License-Identifier: Apache-2.0
//
// Archive: versions go, by name or by policy; and which version came from which.
#include <unordered_map>

#include "api/src/ref_name.h"
#include "api/src/retention.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

Result<std::vector<RefRecord>> versions_of(StoreImpl& store, const std::string& name) {
  std::vector<RefRecord> versions;
  const auto collect = [&](const RefRecord& ref) -> Result<bool> {
    versions.push_back(ref);
    return true;
  };
  CAIRN_CHECK(store.index().for_each_version(name, 0, collect));
  if (versions.empty()) return make_error(ErrorCode::not_found, "no name '" + printable(name) + "' in the store");
  return versions;
}

// Without a log nothing is changed: a dry run.
Result<ForgetReport> remove_marked(StoreImpl& store, const std::vector<RefRecord>& versions,
                                   const std::vector<bool>& marked, LogWriter* log) {
  ForgetReport report;
  std::optional<BlockSink> sink;
  if (log != nullptr) {
    sink.emplace(WriteOptions{.digest = store.header().digest, .block_bytes = store.header().block_bytes},
                 store.index(), *log, store.parts());
  }
  Status status;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    if (!marked[i]) {
      ++report.kept;
      continue;
    }
    if (sink) status = sink->write_ref({.name = versions[i].name, .version = versions[i].version, .removed = true});
    if (!status.ok()) break;
    report.removed.push_back(to_info(store, versions[i]));
  }
  // What a full disk did not let in is not removed; what was, is.
  if (sink && !report.removed.empty() && (status.ok() || !log->failed())) CAIRN_CHECK(sink->commit());
  CAIRN_CHECK(std::move(status));
  return report;
}

// For the duration of the call: nothing when it is a dry run.
Result<StoreImpl::Writing> begin(StoreImpl& store, bool dry_run) {
  CAIRN_CHECK(store.check_usable());
  // What was saved before is there by then.
  store.settle_puts();
  if (!dry_run) return store.begin_writing();
  CAIRN_CHECK(store.follow());
  return StoreImpl::Writing{};
}

}  // namespace

Result<ForgetReport> Archive::remove(const std::string& ref, bool dry_run) {
  CAIRN_TRY(const StoreImpl::Writing writing, begin(*store_, dry_run));
  CAIRN_TRY(const RefName wanted, parse_ref_name(ref));
  CAIRN_TRY(const std::vector<RefRecord> versions, versions_of(*store_, wanted.name));
  std::vector<bool> marked(versions.size(), !wanted.version);
  bool found = !wanted.version;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    if (wanted.version != versions[i].version) continue;
    marked[i] = found = true;
  }
  if (!found) return make_error(ErrorCode::not_found, "no name '" + printable(ref) + "' in the store");
  return remove_marked(*store_, versions, marked, writing.log);
}

Result<ForgetReport> Archive::forget(const std::string& name, const RetentionPolicy& policy, bool dry_run) {
  CAIRN_CHECK(check_policy(policy));
  CAIRN_CHECK(check_ref_name(name));
  CAIRN_TRY(const StoreImpl::Writing writing, begin(*store_, dry_run));
  CAIRN_TRY(const std::vector<RefRecord> versions, versions_of(*store_, name));
  return remove_marked(*store_, versions, to_be_removed(versions, policy), writing.log);
}

Result<std::vector<VersionInfo>> Archive::log(const std::string& ref) {
  CAIRN_CHECK(store_->follow());
  store_->settle_puts();
  CAIRN_TRY(const RefName wanted, parse_ref_name(ref));
  CAIRN_TRY(const std::vector<RefRecord> versions, versions_of(*store_, wanted.name));
  std::unordered_map<Digest, std::uint64_t> numbers;
  for (const RefRecord& version : versions) numbers.emplace(version.snapshot, version.version);
  std::vector<VersionInfo> log;
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (wanted.version && version->version > *wanted.version) continue;
    VersionInfo& info = log.emplace_back();
    info.ref = to_info(*store_, *version);
    CAIRN_TRY(const SnapshotManifest snapshot, load_snapshot(store_->blocks(), version->snapshot));
    info.files = snapshot.files;
    info.tensors = snapshot.tensors;
    if (!snapshot.has_parent) continue;
    info.parent = store_->id_text(snapshot.parent);
    if (const auto number = numbers.find(snapshot.parent); number != numbers.end()) {
      info.parent_version = number->second;
    }
  }
  if (log.empty()) return make_error(ErrorCode::not_found, "no name '" + printable(ref) + "' in the store");
  return log;
}

}  // namespace cairn
