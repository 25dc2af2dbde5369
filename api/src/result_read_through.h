// SPDX-License-Identifier: Apache-2.0
//
// Brings a result that a store does not have from where other stores' results are, when somebody asks for its key: a
// cache that machines share. Whoever asks never waits long, and never has an error of it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "api/src/store_impl.h"
#include "engine/results/result_value.h"

namespace cairn {

// Where others' results are. Any number of threads.
class ResultFinder {
 public:
  virtual ~ResultFinder() = default;
  // What another store has put last under the key, and whose time is not over. Ends soon, whoever does not answer.
  // `now_ns`: the time of this store, from which on what is left of its time counts.
  virtual Result<std::optional<ResultEnvelope>> find(std::string_view name_space, std::string_view key,
                                                     std::uint64_t now_ns) = 0;
};

struct ResultReadThroughStats {
  std::uint64_t asked = 0;     // keys that were looked for
  std::uint64_t brought = 0;   // and are here now
  std::uint64_t failures = 0;  // of asking
  std::string error;           // the last one, until asking succeeds; empty: none
};

// Any number of threads.
class ResultReadThrough {
 public:
  using Clock = std::chrono::steady_clock;
  // What nobody had is not asked for again for so long; nor is anything once asking has failed.
  static constexpr std::chrono::seconds kAskAgain{10};

  // Borrows the store.
  ResultReadThrough(StoreImpl& store, std::unique_ptr<ResultFinder> finder, std::function<Clock::time_point()> now)
      : store_(store), finder_(std::move(finder)), now_(std::move(now)) {}

  // True: it is in the store now, with what is left of its time. False: nobody has it, or had it a moment ago, or it
  // could not be looked for: stats() say so.
  bool bring(const std::string& name_space, const std::string& key);
  // Nothing is asked for any more.
  void stop();
  ResultReadThroughStats stats() const;

 private:
  bool may_ask(const std::string& what);
  Result<bool> ask(const std::string& name_space, const std::string& key);

  StoreImpl& store_;
  const std::unique_ptr<ResultFinder> finder_;
  const std::function<Clock::time_point()> now_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable answered_;
  std::size_t asking_ = 0;
  bool stopped_ = false;
  std::optional<Clock::time_point> failed_;  // when asking failed last, and has not succeeded since
  std::map<std::string, Clock::time_point> absent_;
  ResultReadThroughStats stats_;
};

}  // namespace cairn
