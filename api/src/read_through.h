// SPDX-License-Identifier: Apache-2.0
//
// Brings what a store does not have from its mirrors, when somebody asks for it (StoreOptions::read_through): content
// from a bucket, results from a database.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/src/mirror_view.h"
#include "api/src/result_read_through.h"
#include "api/src/store_impl.h"
#include "replication/object_storage.h"

namespace cairn {

// Any thread but one that has the log's turn: what is brought is written. One call at a time asks the mirror.
class ReadThrough {
 public:
  using Clock = std::chrono::steady_clock;

  // `mirrors`: a name, or one of each kind, with a comma between. not_found: the store has no mirror of such a name;
  // invalid_argument: two are of one kind, or the store is open read-only. Asks nothing yet.
  static Result<std::unique_ptr<ReadThrough>> open(StoreImpl& store, const std::string& mirrors);
  // Null: nothing is brought from there.
  ReadThrough(StoreImpl& store, std::unique_ptr<ObjectStorage> storage, std::function<Clock::time_point()> now,
              std::unique_ptr<ResultReadThrough> results = nullptr);

  // "NAME" or "NAME@V". True: it is in the store now. False: the mirror does not have it, or did not a moment ago.
  Result<bool> bring_name(const std::string& name);
  // The same of an object that was put directly, by id.
  Result<bool> bring_object(const Digest& id);
  // Null: none are brought.
  ResultReadThrough* results() const { return results_.get(); }

  // Calls under way end soon, and they and all later ones fail, or find nothing.
  void stop() {
    if (storage_) storage_->stop();
    if (results_) results_->stop();
  }

 private:
  // What some store of the mirror says of what is wanted. Empty: none does.
  using Choose = std::function<Result<std::vector<mirror::Statement>>(const MirrorView&)>;
  Result<bool> bring(const Choose& choose);
  Result<std::vector<mirror::Statement>> find(const Choose& choose);

  StoreImpl& store_;
  const std::unique_ptr<ObjectStorage> storage_;
  const std::unique_ptr<ResultReadThrough> results_;
  const std::function<Clock::time_point()> now_;
  std::mutex mutex_;
  std::unique_ptr<MirrorView> view_;  // guarded by mutex_, as the time; null: nothing is known
  Clock::time_point looked_{};
  std::optional<Error> failed_;  // of that look
};

}  // namespace cairn
