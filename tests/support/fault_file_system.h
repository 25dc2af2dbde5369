// SPDX-License-Identifier: Apache-2.0
//
// Any file system, with calls that fail or kill the process at a chosen moment. Meant for
// the real one: a forked child runs a scenario over it, dies by SIGKILL at its n-th
// write-side call, and the parent looks at what is left.
#pragma once

#include <memory>
#include <string>

#include "engine/io/file_system.h"
#include "tests/support/fault_plan.h"

namespace cairn::testing {

enum class KillPoint {
  before,   // the call is never made
  halfway,  // half of a write's pages are in the file; other calls: as `before`
  after,    // the call was made, its caller never heard
};

// Any thread may call any method, when the same is true of the file system below. Both
// outlive what is opened.
class FaultFileSystem final : public FileSystem {
 public:
  explicit FaultFileSystem(FileSystem& base) : base_(base) {}

  // The n-th write-side call from now (1 is the next) fails without being made. A
  // submitted write fails in wait_one().
  void fail_at(std::uint64_t n, Error error, Repeat repeat) { plan_.fail_at(n, std::move(error), repeat); }
  // The same, counting calls of every kind.
  void fail_any_at(std::uint64_t n, Error error, Repeat repeat) { plan_.fail_any_at(n, std::move(error), repeat); }
  // The process dies by SIGKILL in the n-th write-side call from now.
  void kill_at(std::uint64_t n, KillPoint point);
  void clear_faults() { plan_.clear(); }
  // From now on syncs are counted and not made: a process that dies leaves to the kernel what
  // it has written, synced or not, and a test of that need not wait for the device.
  void leave_out_syncs() { syncs_left_out_ = true; }

  std::uint64_t calls() const { return plan_.calls(); }
  std::uint64_t write_calls() const { return plan_.write_calls(); }
  bool fault_fired() const { return plan_.fired(); }

  Result<std::unique_ptr<File>> open(const std::string& path, const FileOptions& options) override;
  Result<std::unique_ptr<WriteQueue>> write_queue(File& file, std::size_t depth) override;
  Status create_directory(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link(const std::string& from, const std::string& to) override;
  Status clone_file(const std::string& from, const std::string& to) override;
  Status remove_file(const std::string& path) override;
  Status remove_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list_directory(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<SpaceInfo> space(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

 private:
  friend class FaultFile;
  friend class FaultQueue;

  // Makes `call`, or fails, naming `what`, or dies instead; `half` is the first half of it.
  template <class Call, class Half>
  auto make(Side side, const std::string& what, const Call& call, const Half& half) -> decltype(call());
  template <class Call>
  auto make(Side side, const std::string& what, const Call& call) -> decltype(call());

  FileSystem& base_;
  FaultPlan plan_;
  KillPoint kill_point_ = KillPoint::before;
  bool syncs_left_out_ = false;
};

}  // namespace cairn::testing
