// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_file_system.h"

#include <algorithm>
#include <csignal>
#include <deque>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"

namespace cairn::testing {

void FaultFileSystem::kill_at(std::uint64_t n, KillPoint point) {
  kill_point_ = point;
  plan_.stop_at(n);
}

template <class Call, class Half>
auto FaultFileSystem::make(Side side, const std::string& what, const Call& call, const Half& half) -> decltype(call()) {
  Verdict verdict = plan_.count(side);
  if (verdict.last) {
    if (kill_point_ == KillPoint::halfway) half();
    if (kill_point_ == KillPoint::after) static_cast<void>(call());
    static_cast<void>(std::raise(SIGKILL));
  }
  if (verdict.error) return std::move(*verdict.error).with_context(what);
  return call();
}

template <class Call>
auto FaultFileSystem::make(Side side, const std::string& what, const Call& call) -> decltype(call()) {
  return make(side, what, call, [] {});
}

class FaultFile final : public File {
 public:
  FaultFile(FaultFileSystem& fs, std::string path, std::unique_ptr<File> base)
      : fs_(fs), path_(std::move(path)), base_(std::move(base)) {}

  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes into) override {
    return fs_.make(Side::read, name(offset), [&] { return base_->read_at(offset, into); });
  }
  Status write_at(std::uint64_t offset, Bytes bytes) override {
    const auto write = [&] { return base_->write_at(offset, bytes); };
    return fs_.make(Side::write, name(offset), write, [&] { write_half(offset, {&bytes, 1}); });
  }
  Status sync() override {
    return fs_.make(Side::write, path_, [&] { return fs_.syncs_left_out_ ? Status() : base_->sync(); });
  }
  Result<std::uint64_t> size() override {
    return fs_.make(Side::read, path_, [&] { return base_->size(); });
  }
  Status truncate(std::uint64_t size) override {
    return fs_.make(Side::write, name(size), [&] { return base_->truncate(size); });
  }
  Status preallocate(std::uint64_t size) override {
    return fs_.make(Side::write, name(size), [&] { return base_->preallocate(size); });
  }
  bool direct() const override { return base_->direct(); }

  // Writes the first half, in pages where there are any, so that O_DIRECT takes it.
  void write_half(std::uint64_t offset, std::span<const Bytes> parts) {
    std::size_t total = 0;
    for (const Bytes& part : parts) total += part.size();
    std::size_t left = total / 2;
    if (total >= kPageBytes) left = left / kPageBytes * kPageBytes;
    for (const Bytes& part : parts) {
      const Bytes taken = part.first(std::min(left, part.size()));
      if (!taken.empty()) static_cast<void>(base_->write_at(offset, taken));
      offset += taken.size();
      left -= taken.size();
    }
  }

  std::string name(std::uint64_t offset) const { return path_ + " at " + std::to_string(offset); }
  File& base() { return *base_; }

 private:
  FaultFileSystem& fs_;
  const std::string path_;
  const std::unique_ptr<File> base_;
};

class FaultQueue final : public WriteQueue {
 public:
  FaultQueue(FaultFileSystem& fs, FaultFile& file, std::unique_ptr<WriteQueue> base)
      : fs_(fs), file_(file), base_(std::move(base)) {}

  Status submit(std::uint64_t offset, std::vector<Bytes> parts, std::uint64_t tag) override {
    if (in_flight() >= depth()) return make_error(ErrorCode::invalid_argument, "the write queue is full");
    bool made = false;
    const auto start = [&] {
      made = true;
      return base_->submit(offset, parts, tag);
    };
    Status status = fs_.make(Side::write, file_.name(offset), start, [&] { file_.write_half(offset, parts); });
    if (made || status.ok()) return status;
    failed_.push_back(std::move(status).error());
    return {};
  }

  Result<std::uint64_t> wait_one() override {
    if (!failed_.empty()) {
      Error error = std::move(failed_.front());
      failed_.pop_front();
      return error;
    }
    if (base_->in_flight() == 0) return base_->wait_one();
    // Waited for whatever the plan says: a write that failed is no longer in flight.
    Result<std::uint64_t> ended = base_->wait_one();
    return fs_.make(Side::read, file_.name(0), [&] { return std::move(ended); });
  }

  std::size_t in_flight() const override { return base_->in_flight() + failed_.size(); }
  std::size_t depth() const override { return base_->depth(); }

 private:
  FaultFileSystem& fs_;
  FaultFile& file_;
  const std::unique_ptr<WriteQueue> base_;
  std::deque<Error> failed_;
};

Result<std::unique_ptr<File>> FaultFileSystem::open(const std::string& path, const FileOptions& options) {
  const Side side = options.create || options.truncate ? Side::write : Side::read;
  CAIRN_TRY(std::unique_ptr<File> file, make(side, path, [&] { return base_.open(path, options); }));
  return std::unique_ptr<File>(std::make_unique<FaultFile>(*this, path, std::move(file)));
}

Result<std::unique_ptr<WriteQueue>> FaultFileSystem::write_queue(File& file, std::size_t depth) {
  auto* const known = dynamic_cast<FaultFile*>(&file);
  if (known == nullptr) return make_error(ErrorCode::invalid_argument, "write queue: not a file of this file system");
  CAIRN_TRY(std::unique_ptr<WriteQueue> queue, base_.write_queue(known->base(), depth));
  return std::unique_ptr<WriteQueue>(std::make_unique<FaultQueue>(*this, *known, std::move(queue)));
}

Status FaultFileSystem::create_directory(const std::string& path) {
  return make(Side::write, path, [&] { return base_.create_directory(path); });
}
Status FaultFileSystem::rename(const std::string& from, const std::string& to) {
  return make(Side::write, from + " to " + to, [&] { return base_.rename(from, to); });
}
Status FaultFileSystem::link(const std::string& from, const std::string& to) {
  return make(Side::write, from + " to " + to, [&] { return base_.link(from, to); });
}
Status FaultFileSystem::clone_file(const std::string& from, const std::string& to) {
  return make(Side::write, from + " to " + to, [&] { return base_.clone_file(from, to); });
}
Status FaultFileSystem::remove_file(const std::string& path) {
  return make(Side::write, path, [&] { return base_.remove_file(path); });
}
Status FaultFileSystem::remove_directory(const std::string& path) {
  return make(Side::write, path, [&] { return base_.remove_directory(path); });
}
Status FaultFileSystem::sync_directory(const std::string& path) {
  return make(Side::write, path, [&] { return syncs_left_out_ ? Status() : base_.sync_directory(path); });
}
Result<std::vector<std::string>> FaultFileSystem::list_directory(const std::string& path) {
  return make(Side::read, path, [&] { return base_.list_directory(path); });
}
Result<FileInfo> FaultFileSystem::info(const std::string& path) {
  return make(Side::read, path, [&] { return base_.info(path); });
}
Result<SpaceInfo> FaultFileSystem::space(const std::string& path) {
  return make(Side::read, path, [&] { return base_.space(path); });
}
Result<std::unique_ptr<FileLock>> FaultFileSystem::lock(const std::string& path) {
  return make(Side::read, path, [&] { return base_.lock(path); });
}

}  // namespace cairn::testing
