// SPDX-License-Identifier: Apache-2.0
//
// Operations (cairn/operations.h): who computes what is decided by entries, who waits for it is
// remembered here.
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
#include <thread>
#include <vector>

#include "cairn/operations.h"
#include "engine/results/entry_store.h"
#include "engine/results/operation_entry.h"

namespace cairn {

struct OperationTableOptions {
  OwnerId owner = random_owner_id();
  // Renews leases and ends those that have run out. Without it, tests do so.
  bool background = true;
  // Another process writes the store: nothing can be claimed, and running is what the entry says.
  bool read_only = false;
  std::function<std::int64_t()> wall_clock = {};  // nothing: that of the machine
};

// One for each store that is open. Any number of threads. Calls are those of Operations, but
// that they do not wait until what they have written is durable.
//
// A claim is an entry, its token the entry's version. What ends it is written with that version
// for a condition, so that the token is looked at where it counts. A flight is what this process
// knows of a claim while it is held: when the lease is over, who computes, and who waits. No lock
// is held while an entry is written or read. A claim in an entry that has no flight is nobody's:
// the process that had made it is gone, because one process writes a store at a time.
class OperationTable {
 public:
  using Compute = std::function<Result<OperationValue>()>;
  using Then = std::function<void(const OperationInfo&)>;

  // Borrows `entries`.
  explicit OperationTable(EntryStore& entries, OperationTableOptions options = {});
  // As close(). Nobody computes any more.
  ~OperationTable();
  OperationTable(const OperationTable&) = delete;
  OperationTable& operator=(const OperationTable&) = delete;

  // When the store is opened: marks what others had claimed as failed. Their number.
  Result<std::uint64_t> take_over();
  // Ends every wait, and returns once nobody waits; later calls are ErrorCode::cancelled.
  void close();

  Result<ClaimOutcome> claim(const std::string& key, const ClaimOptions& options = {});
  Status renew(const Claim& claim);
  Result<Ticket> complete(const Claim& claim, OperationValue value, const PutOptions& options = {});
  Result<Ticket> fail(const Claim& claim, const std::string& message);
  Result<bool> is_running(const std::string& key);
  Result<OperationInfo> find(const std::string& key);
  Result<OperationInfo> wait(const std::string& key, std::optional<std::chrono::nanoseconds> time = {});
  Status on_finished(const std::string& key, Then then);
  Result<OperationValue> get_or_compute(const std::string& key, const Compute& compute,
                                        const ClaimOptions& options = {});
  Result<OperationPage> list(const std::string& cursor, std::size_t limit, std::optional<OperationState> state);
  // Nothing: there was nothing.
  Result<std::optional<Ticket>> remove(const std::string& key);

  // Threads that wait at this moment.
  std::uint64_t waiting() const;
  // What the thread does each time.
  void look_at_leases();

 private:
  struct Flight;
  using FlightPtr = std::shared_ptr<Flight>;
  // What trying to claim gave; one of the three.
  struct Turn {
    std::optional<Claim> claim;
    FlightPtr running;
    std::optional<OperationInfo> done;
  };
  // A flight that has ended, and who is to learn of it.
  struct Told {
    FlightPtr flight;  // null: nobody
    OperationInfo info;
    std::vector<Then> then;
    // Without locks, so that whoever wakes finds them free.
    void tell() noexcept;
  };

  Result<std::optional<OperationInfo>> find_done(const std::string& key);
  Result<Turn> try_claim(const std::string& key, const ClaimOptions& options, bool computes_here);
  Result<Turn> write_claim(const FlightPtr& flight);
  Result<Ticket> finish(const Claim& claim, OperationRecord record, const PutOptions& options,
                        std::optional<Error> error = {});
  Result<OperationValue> compute_as(const Claim& claim, const Compute& compute);
  OperationInfo running_info(const Flight& flight) const;

  // With mutex_ locked.
  FlightPtr held(const Claim& claim) const;  // null: lost
  bool is_over(const Flight& flight) const;
  // Takes it out of flights_. No `outcome`: those who wait look again.
  [[nodiscard]] Told end(const FlightPtr& ending, std::shared_ptr<const OperationInfo> outcome,
                         std::optional<Error> error = {});
  // Until it has ended; false when the time was too short.
  Result<bool> wait_for_end(std::unique_lock<std::mutex>& lock, Flight& flight,
                            std::optional<std::chrono::steady_clock::time_point> until);
  // Once; resource_exhausted when the system starts no more threads.
  Status begin_thread();
  // Has the thread look in time.
  void expect_lease(const Flight& flight);

  void run();

  EntryStore& entries_;
  const OperationTableOptions options_;
  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, FlightPtr> flights_;
  std::condition_variable leases_changed_, nobody_waits_;
  std::uint64_t waiting_ = 0;
  bool closed_ = false;
  static constexpr std::chrono::nanoseconds kIdle = std::chrono::nanoseconds::max();
  std::chrono::nanoseconds pause_ = kIdle;  // until the thread looks, on a clock of the machine
  std::thread thread_;                      // begun with the first claim
};

}  // namespace cairn
