// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_file_system.h"

#include <unistd.h>

#include <cerrno>

#include "engine/base/errors.h"
#include "tests/support/sim_machine.h"

namespace cairn::testing {
namespace {

class SimLock final : public FileLock {
 public:
  SimLock(std::shared_ptr<SimMachine> machine, SimNodePtr node, std::uint64_t generation)
      : machine_(std::move(machine)), node_(std::move(node)), generation_(generation) {}
  ~SimLock() override {
    machine_->inspect_since(generation_, [&](SimDisk& disk) {
      node_->locked_by = 0;
      disk.closed(*node_);
    });
  }
  SimLock(const SimLock&) = delete;
  SimLock& operator=(const SimLock&) = delete;

 private:
  const std::shared_ptr<SimMachine> machine_;
  const SimNodePtr node_;
  const std::uint64_t generation_;
};

}  // namespace

SimFileSystem::SimFileSystem(const SimOptions& options)
    : SimFileSystem(std::make_shared<SimMachine>(options, SimDisk(options.capacity_bytes))) {}
SimFileSystem::SimFileSystem(std::shared_ptr<SimMachine> machine) : machine_(std::move(machine)) {}
SimFileSystem::~SimFileSystem() = default;

void SimFileSystem::fail_at(std::uint64_t n, Error error, Repeat repeat) {
  machine_->plan().fail_at(n, std::move(error), repeat);
}
void SimFileSystem::fail_any_at(std::uint64_t n, Error error, Repeat repeat) {
  machine_->plan().fail_any_at(n, std::move(error), repeat);
}
void SimFileSystem::crash_at(std::uint64_t n) { machine_->plan().stop_at(n); }
void SimFileSystem::bad_sector(const std::string& path, std::uint64_t offset, std::uint64_t bytes, Repeat repeat) {
  machine_->add_bad_sector({.path = path, .from = offset, .to = offset + bytes, .repeat = repeat});
}
void SimFileSystem::clear_faults() {
  machine_->plan().clear();
  machine_->clear_bad_sectors();
}
bool SimFileSystem::crashed() const { return machine_->crashed(); }
bool SimFileSystem::fault_fired() const { return machine_->plan().fired() || machine_->bad_sector_was_read(); }
std::uint64_t SimFileSystem::calls() const { return machine_->plan().calls(); }
std::uint64_t SimFileSystem::write_calls() const { return machine_->plan().write_calls(); }
std::string SimFileSystem::trace() const { return machine_->trace(); }

void SimFileSystem::power_loss(std::uint64_t seed, Loss loss) { machine_->power_loss(seed, loss); }

std::unique_ptr<SimFileSystem> SimFileSystem::survivor(std::uint64_t seed, Loss loss) const {
  auto machine = std::make_shared<SimMachine>(machine_->options(), machine_->survivor(seed, loss));
  return std::unique_ptr<SimFileSystem>(new SimFileSystem(std::move(machine)));
}

void SimFileSystem::set_capacity(std::uint64_t bytes) {
  machine_->inspect([&](SimDisk& disk) { disk.set_capacity(bytes); });
}

Status SimFileSystem::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  int failed = 0;
  machine_->inspect([&](SimDisk& disk) {
    SimNodePtr node;
    failed = disk.find_existing(path, node);
    if (failed == 0 && offset >= node->current.size()) failed = ENOENT;
    if (failed == 0) SimDisk::flip_bit(*node, offset, bit);
  });
  if (failed != 0) return error_from_errno(failed, "flip a bit of " + path + " at " + std::to_string(offset));
  return {};
}

Result<std::unique_ptr<File>> SimFileSystem::open(const std::string& path, const FileOptions& options) {
  if ((options.create || options.truncate) && !options.write) {
    return make_error(ErrorCode::invalid_argument, "open " + path + ": creating and truncating need write");
  }
  if (options.exclusive && !options.create) {
    return make_error(ErrorCode::invalid_argument, "open " + path + ": exclusive needs create");
  }
  const Side side = options.create || options.truncate ? Side::write : Side::read;
  const std::uint64_t generation = machine_->generation();
  SimDisk::Place place;
  CAIRN_CHECK(machine_->perform({.side = side, .verb = "open", .path = path}, [&](SimDisk& disk) {
    if (const int failed = disk.find(path, place)) return failed;
    if (place.node && options.exclusive) return EEXIST;
    if (place.node && place.node->is_directory) return EISDIR;
    if (!place.node && !options.create) return ENOENT;
    if (!place.node) {
      disk.create(place, false);
    } else if (options.truncate && SimDisk::disk_bytes(*place.node) > 0) {
      if (const int failed = disk.truncate(*place.node, 0)) return failed;
    }
    disk.opened(*place.node);
    return 0;
  }));
  return make_sim_file(machine_, path, place.node, generation, options);
}

Result<std::unique_ptr<WriteQueue>> SimFileSystem::write_queue(File& file, std::size_t depth) {
  return make_sim_queue(*machine_, file, depth);
}

Status SimFileSystem::create_directory(const std::string& path) {
  return machine_->perform({.side = Side::write, .verb = "create folder", .path = path}, [&](SimDisk& disk) {
    SimDisk::Place place;
    if (const int failed = disk.find(path, place)) return failed;
    return disk.create(place, true);
  });
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
  return machine_->perform({.side = Side::write, .verb = "rename", .path = from + " to " + to},
                           [&](SimDisk& disk) { return disk.rename(from, to); });
}

Status SimFileSystem::link(const std::string& from, const std::string& to) {
  return machine_->perform({.side = Side::write, .verb = "link", .path = from + " to " + to}, [&](SimDisk& disk) {
    SimNodePtr node;
    if (const int failed = disk.find_existing(from, node)) return failed;
    return machine_->options().hard_links ? disk.link(from, to) : EPERM;
  });
}

// A copy that takes no space of its own, which is not simulated, and is unsynced.
Status SimFileSystem::clone_file(const std::string& from, const std::string& to) {
  return machine_->perform({.side = Side::write, .verb = "clone", .path = from + " to " + to}, [&](SimDisk& disk) {
    SimNodePtr source;
    SimDisk::Place target;
    if (const int failed = disk.find_existing(from, source)) return failed;
    if (const int failed = disk.find(to, target)) return failed;
    if (target.node) return EEXIST;
    if (!machine_->options().reflinks) return EOPNOTSUPP;
    if (const int failed = disk.create(target, false)) return failed;
    std::uint64_t sequence = 0;
    return disk.write(*target.node, 0, source->current, true, sequence);
  });
}

Status SimFileSystem::remove_file(const std::string& path) {
  return machine_->perform({.side = Side::write, .verb = "remove", .path = path},
                           [&](SimDisk& disk) { return disk.remove(path, false); });
}

Status SimFileSystem::remove_directory(const std::string& path) {
  return machine_->perform({.side = Side::write, .verb = "remove folder", .path = path},
                           [&](SimDisk& disk) { return disk.remove(path, true); });
}

Status SimFileSystem::sync_directory(const std::string& path) {
  return machine_->perform({.side = Side::write, .verb = "sync folder", .path = path, .makes_durable = true},
                           [&](SimDisk& disk) { return disk.sync_directory(path); });
}

Result<std::vector<std::string>> SimFileSystem::list_directory(const std::string& path) {
  std::vector<std::string> names;
  CAIRN_CHECK(machine_->perform({.verb = "list", .path = path}, [&](SimDisk& disk) {
    SimNodePtr folder;
    if (const int failed = disk.find_existing(path, folder)) return failed;
    if (!folder->is_directory) return ENOTDIR;
    for (const auto& [name, node] : folder->entries) names.push_back(name);
    return 0;
  }));
  return names;
}

Result<FileInfo> SimFileSystem::info(const std::string& path) {
  FileInfo info;
  CAIRN_CHECK(machine_->perform({.verb = "look at", .path = path}, [&](SimDisk& disk) {
    SimNodePtr node;
    if (const int failed = disk.find_existing(path, node)) return failed;
    info = {.is_directory = node->is_directory, .size = node->current.size(), .disk_bytes = SimDisk::disk_bytes(*node)};
    return 0;
  }));
  return info;
}

Result<SpaceInfo> SimFileSystem::space(const std::string& path) {
  SpaceInfo info;
  CAIRN_CHECK(machine_->perform({.verb = "space of", .path = path}, [&](SimDisk& disk) {
    SimNodePtr node;
    if (const int failed = disk.find_existing(path, node)) return failed;
    const std::uint64_t available = disk.used() < disk.capacity() ? disk.capacity() - disk.used() : 0;
    info = {.total_bytes = disk.capacity(), .available_bytes = available};
    return 0;
  }));
  return info;
}

Result<std::unique_ptr<FileLock>> SimFileSystem::lock(const std::string& path) {
  const std::uint64_t generation = machine_->generation();
  SimDisk::Place place;
  long holder = 0;
  CAIRN_CHECK(machine_->perform({.verb = "lock", .path = path}, [&](SimDisk& disk) {
    if (const int failed = disk.find(path, place)) return failed;
    if (place.node && place.node->is_directory) return EISDIR;
    if (!place.node) disk.create(place, false);
    if ((holder = place.node->locked_by) != 0) return 0;
    place.node->locked_by = ::getpid();
    disk.opened(*place.node);
    // As on a real disk, a lock whose file cannot be filled still locks.
    const std::string text = std::to_string(place.node->locked_by) + "\n";
    std::uint64_t sequence = 0;
    if (disk.truncate(*place.node, 0) == 0) {
      static_cast<void>(disk.write(*place.node, 0, as_bytes(text), true, sequence));
    }
    return 0;
  }));
  if (holder != 0) {
    Error error = make_error(ErrorCode::held, path + " is held by this process, pid " + std::to_string(holder));
    error.retryable = true;
    return error;
  }
  return std::unique_ptr<FileLock>(std::make_unique<SimLock>(machine_, place.node, generation));
}

}  // namespace cairn::testing
