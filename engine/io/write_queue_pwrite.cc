// SPDX-License-Identifier: Apache-2.0
//
// The write queue for kernels without io_uring, and for those who do not want it.
#include <deque>

#include "engine/base/errors.h"
#include "engine/io/pending_write.h"
#include "engine/io/posix_write_queue.h"

namespace cairn {
namespace {

class PwriteQueue final : public WriteQueue {
 public:
  PwriteQueue(PosixFile& file, std::size_t depth) : file_(file), depth_(depth) {}

  Status submit(std::uint64_t offset, std::vector<Bytes> parts, std::uint64_t tag) override {
    if (done_.size() >= depth_) return make_error(ErrorCode::invalid_argument, "the write queue is full");
    CAIRN_TRY(PendingWrite write, PendingWrite::start(file_, offset, parts));
    Status written = write.finish(file_);
    if (written.ok()) {
      done_.emplace_back(tag);
    } else {
      done_.emplace_back(std::move(written).error());
    }
    return {};
  }

  Result<std::uint64_t> wait_one() override {
    if (done_.empty()) return make_error(ErrorCode::invalid_argument, "no write is in flight");
    Result<std::uint64_t> oldest = std::move(done_.front());
    done_.pop_front();
    return oldest;
  }

  std::size_t in_flight() const override { return done_.size(); }
  std::size_t depth() const override { return depth_; }

 private:
  PosixFile& file_;
  const std::size_t depth_;
  std::deque<Result<std::uint64_t>> done_;
};

}  // namespace

std::unique_ptr<WriteQueue> make_pwrite_queue(PosixFile& file, std::size_t depth) {
  return std::make_unique<PwriteQueue>(file, depth);
}

}  // namespace cairn
