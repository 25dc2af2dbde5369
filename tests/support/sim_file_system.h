// SPDX-License-Identifier: Apache-2.0
//
// A file system in memory whose power can be cut: it keeps apart what was synced and what
// was not, fails any call on demand, runs full, and says what was done to it. Every choice
// of chance comes from a seed.
//
//   SimFileSystem fs;
//   fs.crash_at(n);                        // the n-th write-side call is the last one
//   run(fs);                               // until a call fails
//   fs.power_loss(seed, Loss::reorder_sectors);
//   reopen(fs);                            // finds what survived
#pragma once

#include <memory>
#include <string>

#include "engine/io/file_system.h"
#include "tests/support/fault_plan.h"
#include "tests/support/sim_disk.h"

namespace cairn::testing {

class SimMachine;

struct SimOptions {
  // Seeds what is left to chance while power is on: the order in which queued writes
  // complete, and how much of a failed write is in the file.
  std::uint64_t seed = 1;
  // Whether FileOptions::direct is honoured; then transfers that are not whole pages are
  // errors, as they are on a disk.
  bool direct = true;
  std::uint64_t capacity_bytes = 4 * GiB;
  bool hard_links = true;  // false: EPERM, as where a file has as many names as it may
  bool reflinks = false;   // false: EOPNOTSUPP, as on most file systems
};

// Any thread may call any method, except that power_loss() wants the others out. Paths are
// the same with and without a leading slash; the root exists. Files, queues and locks may
// outlive the file system.
class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(const SimOptions& options = {});
  ~SimFileSystem() override;

  // The n-th write-side call from now fails (1 is the next one), once or from then on. A
  // write that fails may be in the file in part; a sync that fails loses for good every
  // write it should have covered, though reads go on showing them.
  void fail_at(std::uint64_t n, Error error, Repeat repeat);
  // The same, counting calls of every kind.
  void fail_any_at(std::uint64_t n, Error error, Repeat repeat);
  // The n-th write-side call from now fails, and so does every call after it, until
  // power_loss(). What the n-th did is unsynced: it may survive or not.
  void crash_at(std::uint64_t n);
  // Reading any byte of [offset, offset + bytes) of a file fails with EIO, the next time or always.
  void bad_sector(const std::string& path, std::uint64_t offset, std::uint64_t bytes, Repeat repeat);
  void clear_faults();
  bool crashed() const;
  // Whether a planned failure or crash has struck since it was planned.
  bool fault_fired() const;

  // Cuts the power and puts it back: what survives is all there is, and synced. Handles
  // from before are dead, locks are released, planned faults are cleared.
  void power_loss(std::uint64_t seed, Loss loss);
  // What power_loss() would leave, as a file system of its own: many outcomes of one crash.
  std::unique_ptr<SimFileSystem> survivor(std::uint64_t seed, Loss loss) const;

  void set_capacity(std::uint64_t bytes);
  // Damages what is stored, durably. not_found when there is no such byte.
  Status flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);

  std::uint64_t calls() const;
  std::uint64_t write_calls() const;
  // The latest calls, one per line, for messages.
  std::string trace() const;

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
  explicit SimFileSystem(std::shared_ptr<SimMachine> machine);

  std::shared_ptr<SimMachine> machine_;
};

}  // namespace cairn::testing
