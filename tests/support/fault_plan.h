// SPDX-License-Identifier: Apache-2.0
//
// When calls go wrong. Counts the calls to a file system and says of each whether it is
// the one that fails, or the last one ever.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "cairn/result.h"

namespace cairn::testing {

enum class Repeat { once, forever };

// Write-side calls are those that change what is on a disk or promise that it is there:
// write_at, submit, sync, truncate, preallocate, rename, link, remove_file,
// remove_directory, create_directory, sync_directory, and open with create or truncate.
enum class Side { read, write };

struct Verdict {
  std::optional<Error> error;  // the call fails with this
  bool last = false;           // the machine (or the process) stops in this call
};

// Thread-safe. Every `n` counts from the call that sets it, and 1 is the next call.
class FaultPlan {
 public:
  void fail_at(std::uint64_t n, Error error, Repeat repeat);      // the n-th write-side call
  void fail_any_at(std::uint64_t n, Error error, Repeat repeat);  // the n-th call of any kind
  void stop_at(std::uint64_t n);                                  // the n-th write-side call
  void clear();

  Verdict count(Side side);

  std::uint64_t calls() const;
  std::uint64_t write_calls() const;
  bool fired() const;  // whether something planned has happened since it was planned

 private:
  struct Failure {
    std::uint64_t at = 0;
    Error error;
    Repeat repeat = Repeat::once;
  };
  static bool strikes(const std::optional<Failure>& failure, std::uint64_t call);

  mutable std::mutex mutex_;
  std::uint64_t calls_ = 0, write_calls_ = 0;
  std::optional<Failure> write_failure_, any_failure_;
  std::optional<std::uint64_t> stop_;
  bool fired_ = false;
};

}  // namespace cairn::testing
