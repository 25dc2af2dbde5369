// SPDX-License-Identifier: Apache-2.0
#include "api/src/result_read_through.h"

#include <utility>
#include <vector>

#include "api/src/tables.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

// So many ask at once; who comes behind them waits no longer than this.
constexpr std::size_t kAskingMax = 4;
constexpr std::chrono::seconds kWaitMax{1};
// Keys that nobody has. All are forgotten when there are more.
constexpr std::size_t kAbsentMax = 4096;

// What is wrong with one result, while others may be asked for.
bool is_of_result(const Error& error) {
  return error.code == ErrorCode::corruption || error.code == ErrorCode::invalid_argument ||
         error.code == ErrorCode::conflict || error.code == ErrorCode::resource_exhausted;
}

}  // namespace

bool ResultReadThrough::bring(const std::string& name_space, const std::string& key) {
  const std::string what = std::to_string(name_space.size()) + " " + name_space + key;
  if (!may_ask(what)) return false;
  const Result<bool> brought = ask(name_space, key);
  {
    const std::lock_guard lock(mutex_);
    --asking_;
    const bool is_of_key = !brought.ok() && is_of_result(brought.error());
    if (!brought.ok()) {
      ++stats_.failures;
      stats_.error = brought.error().message;
    }
    if (!brought.ok() && !is_of_key) {
      failed_ = now_();
    } else {
      failed_.reset();
      const bool came = brought.ok() && *brought;
      if (brought.ok()) stats_.error.clear();
      stats_.brought += came ? 1 : 0;
      if (absent_.size() >= kAbsentMax) absent_.clear();
      if (!came) absent_.insert_or_assign(what, now_());
    }
  }
  answered_.notify_all();
  return brought.ok() && *brought;
}

bool ResultReadThrough::may_ask(const std::string& what) {
  std::unique_lock lock(mutex_);
  const auto is_absent = [&] {
    const auto known = absent_.find(what);
    return known != absent_.end() && now_() - known->second < kAskAgain;
  };
  if (is_absent()) return false;
  const auto is_over = [&] { return stopped_ || (failed_ && now_() - *failed_ < kAskAgain); };
  if (!answered_.wait_for(lock, kWaitMax, [&] { return is_over() || asking_ < kAskingMax; }) || is_over()) return false;
  if (is_absent()) return false;
  absent_.erase(what);
  ++asking_;
  ++stats_.asked;
  return true;
}

Result<bool> ResultReadThrough::ask(const std::string& name_space, const std::string& key) {
  CAIRN_TRY(StoreImpl::Tables* const tables, store_.tables());
  CAIRN_TRY(const auto found, finder_->find(name_space, key, tables->entries.store_time_ns()));
  if (!found) return false;
  // What nobody here could read is as good as not there.
  if (!tables->results.check_value(key, found->value).ok()) return false;
  auto change = tables->results.bring(name_space, key, *found);
  if (!change.ok()) return change.error();
  // Somebody has put it here meanwhile.
  if (!*change) return true;
  std::vector<EntryChange> changes;
  changes.push_back(**std::move(change));
  const PutOptions options{.on_full = OnFull::fail, .durability = Durability::lazy};
  const auto written = tables->entries.write(std::move(changes), options);
  if (written.ok() || written.error().code == ErrorCode::conflict) return true;
  // There is no room for it at this moment, which is nobody's failure.
  if (written.error().code == ErrorCode::overloaded) return false;
  return written.error();
}

void ResultReadThrough::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  answered_.notify_all();
}

ResultReadThroughStats ResultReadThrough::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace cairn
