// SPDX-License-Identifier: Apache-2.0
//
// Errors on their way through RocksDB.
#pragma once

#include <rocksdb/io_status.h>

#include <mutex>
#include <optional>
#include <string>

#include "engine/base/errors.h"

namespace cairn {

// Translates our errors to RocksDB's, and remembers the latest: on its way through RocksDB
// an error may lose its kind (an EIO can come out as an invalid argument). Any thread.
class Failures {
 public:
  rocksdb::IOStatus operator()(const Status& status) {
    if (status.ok()) return rocksdb::IOStatus::OK();
    const Error& error = status.error();
    if (error.code == ErrorCode::not_found) return rocksdb::IOStatus::PathNotFound(error.message);
    const std::lock_guard lock(mutex_);
    latest_ = error;
    return error.code == ErrorCode::no_space ? rocksdb::IOStatus::NoSpace(error.message)
                                             : rocksdb::IOStatus::IOError(error.message);
  }
  template <class T>
  rocksdb::IOStatus operator()(const Result<T>& result) {
    return result.ok() ? rocksdb::IOStatus::OK() : (*this)(Status(result.error()));
  }
  // What `status`, which is not ok, is to our callers.
  Error explain(const rocksdb::Status& status, const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (!status.IsCorruption() && latest_) return Error(*latest_).with_context("index: " + what);
    const bool passing = status.IsBusy() || status.IsAborted() || status.IsTimedOut() || status.IsShutdownInProgress();
    return make_error(passing ? ErrorCode::io : ErrorCode::corruption, "index: " + what + ": " + status.ToString());
  }

 private:
  std::mutex mutex_;
  std::optional<Error> latest_;
};

}  // namespace cairn
