// SPDX-License-Identifier: Apache-2.0
//
// What a simulated file system and everything opened from it share: the disk, the planned
// faults, the trace, and one mutex around them.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "engine/io/file_system.h"
#include "tests/support/fault_plan.h"
#include "tests/support/sim_disk.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {

struct SimCall {
  Side side = Side::read;
  const char* verb = "";
  std::string path;
  std::int64_t offset = -1;      // negative: none
  std::int64_t length = -1;      // the same
  std::uint64_t generation = 0;  // of the handle; 0 for a call without one
  bool makes_durable = false;    // a power cut in the middle leaves nothing done

  std::string text() const;  // "write log/00000001.seg at 8192"
};

struct BadSector {
  std::string path;
  std::uint64_t from = 0, to = 0;
  Repeat repeat = Repeat::forever;
};

// Thread-safe.
class SimMachine {
 public:
  SimMachine(const SimOptions& options, SimDisk disk) : options_(options), disk_(std::move(disk)) {}

  // Returns 0 or an errno.
  using Action = std::function<int(SimDisk&)>;
  // Counts the call, lets the plan decide, and does `action` if it may. If the plan fails
  // the call, `wreckage` is done instead: what such a call leaves behind when it fails.
  Status perform(const SimCall& call, const Action& action, const Action& wreckage = {});
  // For what is not a call of the program under test: neither counted nor failed.
  void inspect(const std::function<void(SimDisk&)>& action);
  // The same, unless power was lost since `generation`.
  void inspect_since(std::uint64_t generation, const std::function<void(SimDisk&)>& action);

  void power_loss(std::uint64_t seed, Loss loss);
  SimDisk survivor(std::uint64_t seed, Loss loss) const;

  const SimOptions& options() const { return options_; }
  FaultPlan& plan() { return plan_; }
  void add_bad_sector(BadSector sector);
  void clear_bad_sectors();
  // Since they were cleared.
  bool bad_sector_was_read() const;
  bool crashed() const;
  std::uint64_t generation() const;
  // A number drawn from the seed and the count of calls so far.
  std::uint64_t chance() const;
  std::string trace() const;

 private:
  static constexpr std::size_t kTraceCalls = 200;
  Status decide_and_do(const SimCall& call, const Action& action, const Action& wreckage);
  bool hits_bad_sector(const SimCall& call);

  const SimOptions options_;
  mutable std::mutex mutex_;
  SimDisk disk_;
  FaultPlan plan_;
  std::vector<BadSector> bad_sectors_;
  bool bad_sector_was_read_ = false;
  bool crashed_ = false;
  std::uint64_t generation_ = 1;
  std::deque<std::pair<SimCall, bool>> trace_;  // and whether it went well
};

std::unique_ptr<File> make_sim_file(const std::shared_ptr<SimMachine>& machine, const std::string& path,
                                    const SimNodePtr& node, std::uint64_t generation, const FileOptions& options);
Result<std::unique_ptr<WriteQueue>> make_sim_queue(const SimMachine& machine, File& file, std::size_t depth);

}  // namespace cairn::testing
