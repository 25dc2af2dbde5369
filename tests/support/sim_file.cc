// SPDX-License-Identifier: Apache-2.0
//
// An open file of the simulated file system, and the write queue over one.
#include <algorithm>
#include <cerrno>
#include <string_view>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"
#include "tests/support/sim_machine.h"
#include "tests/support/sim_survival.h"

namespace cairn::testing {
namespace {

class SimFile final : public File {
 public:
  SimFile(std::shared_ptr<SimMachine> machine, std::string path, SimNodePtr node, std::uint64_t generation,
          const FileOptions& options)
      : machine_(std::move(machine)),
        path_(std::move(path)),
        node_(std::move(node)),
        generation_(generation),
        writable_(options.write),
        direct_(options.direct && machine_->options().direct) {}

  ~SimFile() override {
    machine_->inspect_since(generation_, [&](SimDisk& disk) { disk.closed(*node_); });
  }
  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes into) override {
    std::size_t got = 0;
    CAIRN_CHECK(machine_->perform(call(Side::read, "read", offset, into.size()), [&](SimDisk&) {
      if (misaligned(offset, into)) return EINVAL;
      const std::vector<std::byte>& content = node_->current;
      if (offset < content.size()) got = std::min<std::size_t>(into.size(), content.size() - offset);
      if (got > 0) std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), got, into.begin());
      return 0;
    }));
    return got;
  }

  Status write_at(std::uint64_t offset, Bytes bytes) override {
    std::uint64_t sequence = 0;
    return machine_->perform(
        call(Side::write, "write", offset, bytes.size()),
        [&](SimDisk& disk) {
          if (misaligned(offset, bytes)) return EINVAL;
          return write(disk, offset, bytes, true, sequence);
        },
        [&](SimDisk& disk) { return write_in_part(disk, offset, bytes); });
  }

  Status sync() override {
    SimCall sync = call(Side::write, "sync", 0, 0);
    sync.makes_durable = true;
    const auto action = [&](SimDisk&) {
      SimDisk::sync(*node_);
      return 0;
    };
    return machine_->perform(sync, action, [&](SimDisk&) {
      SimDisk::lose_unsynced(*node_);
      return 0;
    });
  }

  Result<std::uint64_t> size() override {
    std::uint64_t size = 0;
    CAIRN_CHECK(machine_->perform(call(Side::read, "size of", 0, 0), [&](SimDisk&) {
      size = node_->current.size();
      return 0;
    }));
    return size;
  }

  Status truncate(std::uint64_t size) override {
    return machine_->perform(call(Side::write, "truncate", size, 0),
                             [&](SimDisk& disk) { return writable_ ? disk.truncate(*node_, size) : EINVAL; });
  }

  Status preallocate(std::uint64_t size) override {
    return machine_->perform(call(Side::write, "preallocate", 0, size),
                             [&](SimDisk& disk) { return writable_ ? disk.preallocate(*node_, size) : EBADF; });
  }

  bool direct() const override { return direct_; }

  SimCall call(Side side, const char* verb, std::uint64_t offset, std::uint64_t length) const {
    return {.side = side,
            .verb = verb,
            .path = path_,
            .offset = static_cast<std::int64_t>(offset),
            .length = static_cast<std::int64_t>(length),
            .generation = generation_};
  }

  bool misaligned(std::uint64_t offset, Bytes bytes) const {
    return direct_ && (offset % kPageBytes != 0 || bytes.size() % kPageBytes != 0 ||
                       reinterpret_cast<std::uintptr_t>(bytes.data()) % kPageBytes != 0);
  }

  int write(SimDisk& disk, std::uint64_t offset, Bytes bytes, bool completed, std::uint64_t& sequence) {
    return writable_ ? disk.write(*node_, offset, bytes, completed, sequence) : EBADF;
  }

  int write_in_part(SimDisk& disk, std::uint64_t offset, Bytes bytes) {
    std::uint64_t sequence = 0;
    return write(disk, offset, bytes.first(machine_->chance() % (bytes.size() + 1)), true, sequence);
  }

  SimMachine& machine() { return *machine_; }
  const SimNodePtr& node() const { return node_; }
  std::uint64_t generation() const { return generation_; }

 private:
  const std::shared_ptr<SimMachine> machine_;
  const std::string path_;
  const SimNodePtr node_;
  const std::uint64_t generation_;
  const bool writable_;
  const bool direct_;
};

// A write is seen by readers once it was submitted, can be lost until it was synced, and
// no sync covers it until wait_one() has returned it.
class SimQueue final : public WriteQueue {
 public:
  SimQueue(SimFile& file, std::size_t depth) : file_(file), depth_(depth) {}

  ~SimQueue() override {
    for (const InFlight& write : in_flight_) finish(write);
  }

  Status submit(std::uint64_t offset, std::vector<Bytes> parts, std::uint64_t tag) override {
    if (in_flight_.size() >= depth_) return make_error(ErrorCode::invalid_argument, "the write queue is full");
    std::vector<std::byte> bytes;
    bool misaligned = false;
    for (const Bytes& part : parts) {
      misaligned = misaligned || file_.misaligned(offset, part);
      bytes.insert(bytes.end(), part.begin(), part.end());
    }
    InFlight write{.tag = tag, .parts = std::move(parts), .fingerprint = fingerprint(bytes)};
    Status status = file_.machine().perform(
        file_.call(Side::write, "submit a write to", offset, bytes.size()),
        [&](SimDisk& disk) { return misaligned ? EINVAL : file_.write(disk, offset, bytes, false, write.sequence); },
        [&](SimDisk& disk) { return file_.write_in_part(disk, offset, bytes); });
    if (!status.ok()) {
      // Whether a failure is seen when the write starts or when it ends is a matter of chance.
      if (file_.machine().crashed() || file_.machine().chance() % 4 == 0) return status;
      write.error = std::move(status).error();
    }
    in_flight_.push_back(std::move(write));
    return {};
  }

  Result<std::uint64_t> wait_one() override {
    if (in_flight_.empty()) return make_error(ErrorCode::invalid_argument, "no write is in flight");
    const auto chosen = in_flight_.begin() + static_cast<std::ptrdiff_t>(file_.machine().chance() % in_flight_.size());
    const InFlight write = std::move(*chosen);
    in_flight_.erase(chosen);
    const SimCall call = file_.call(Side::read, "wait for a write to", 0, 0);
    CAIRN_CHECK(file_.machine().perform(call, [](SimDisk&) { return 0; }));
    finish(write);
    if (write.error) return *write.error;
    std::vector<std::byte> now;
    for (const Bytes& part : write.parts) now.insert(now.end(), part.begin(), part.end());
    if (fingerprint(now) != write.fingerprint) {
      return make_error(ErrorCode::invalid_argument, call.text() + ": its bytes were changed while it was in flight");
    }
    return write.tag;
  }

  std::size_t in_flight() const override { return in_flight_.size(); }
  std::size_t depth() const override { return depth_; }

 private:
  struct InFlight {
    std::uint64_t tag = 0;
    std::vector<Bytes> parts;
    std::size_t fingerprint = 0;
    std::uint64_t sequence = 0;
    std::optional<Error> error;
  };

  static std::size_t fingerprint(Bytes bytes) { return std::hash<std::string_view>()(as_text(bytes)); }

  void finish(const InFlight& write) {
    file_.machine().inspect_since(file_.generation(),
                                  [&](SimDisk&) { SimDisk::complete(*file_.node(), write.sequence); });
  }

  SimFile& file_;
  const std::size_t depth_;
  std::vector<InFlight> in_flight_;
};

}  // namespace

std::unique_ptr<File> make_sim_file(const std::shared_ptr<SimMachine>& machine, const std::string& path,
                                    const SimNodePtr& node, std::uint64_t generation, const FileOptions& options) {
  return std::make_unique<SimFile>(machine, path, node, generation, options);
}

Result<std::unique_ptr<WriteQueue>> make_sim_queue(const SimMachine& machine, File& file, std::size_t depth) {
  auto* const sim = dynamic_cast<SimFile*>(&file);
  if (sim == nullptr || &sim->machine() != &machine)
    return make_error(ErrorCode::invalid_argument, "write queue: not a file of this file system");
  if (depth == 0) return make_error(ErrorCode::invalid_argument, "write queue: a depth of 0 holds no write");
  return std::unique_ptr<WriteQueue>(std::make_unique<SimQueue>(*sim, depth));
}

}  // namespace cairn::testing
