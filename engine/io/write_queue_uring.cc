// SPDX-License-Identifier: Apache-2.0
//
// The write queue over io_uring: one writev per write, and pwritev for whatever the kernel
// did not finish in one go, which is rare enough to wait for.
#include "engine/base/errors.h"
#include "engine/io/pending_write.h"
#include "engine/io/posix_write_queue.h"

#if CAIRN_HAVE_IO_URING

#include <liburing.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <limits>
#include <optional>

namespace cairn {
namespace {

class UringQueue final : public WriteQueue {
 public:
  static std::unique_ptr<WriteQueue> make(PosixFile& file, std::size_t depth) {
    if (depth > std::numeric_limits<unsigned>::max()) return nullptr;
    std::unique_ptr<UringQueue> queue(new UringQueue(file, depth));
    if (::io_uring_queue_init(static_cast<unsigned>(depth), &queue->ring_, 0) < 0) return nullptr;
    queue->ring_open_ = true;
    return queue;
  }

  ~UringQueue() override {
    if (!ring_open_) return;
    // A forked child shares the ring but owns none of the writes: its parent waits.
    if (::getpid() == owner_) {
      while (submitted_ > 0) static_cast<void>(reap());
    }
    ::io_uring_queue_exit(&ring_);
  }

  Status submit(std::uint64_t offset, std::vector<Bytes> parts, std::uint64_t tag) override {
    if (in_flight() >= depth_) return make_error(ErrorCode::invalid_argument, "the write queue is full");
    if (broken_) return *broken_;
    CAIRN_TRY(PendingWrite write, PendingWrite::start(file_, offset, parts));
    if (write.complete()) {
      done_.emplace_back(tag);
      return {};
    }
    const std::size_t index = free_.back();
    Slot& slot = slots_[index];
    slot.write.emplace(std::move(write));
    slot.tag = tag;
    const auto next = slot.write->next();
    // There is one submission entry per slot, and every earlier one was taken.
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    CAIRN_INVARIANT(entry != nullptr);
    ::io_uring_prep_writev(entry, file_.fd(), next.data(), static_cast<unsigned>(next.size()), offset);
    ::io_uring_sqe_set_data64(entry, index);
    if (const int failed = take_submission(); failed != 0) {
      // The entry stays in the ring, where another submission would start it after all:
      // there must be none. The slot stays taken, because the entry points at it.
      broken_ = file_.error("start a write to", offset, failed);
      free_.pop_back();
      return *broken_;
    }
    free_.pop_back();
    ++submitted_;
    return {};
  }

  Result<std::uint64_t> wait_one() override {
    if (in_flight() == 0) return make_error(ErrorCode::invalid_argument, "no write is in flight");
    if (done_.empty()) return reap();
    Result<std::uint64_t> oldest = std::move(done_.front());
    done_.pop_front();
    return oldest;
  }

  std::size_t in_flight() const override { return submitted_ + done_.size(); }
  std::size_t depth() const override { return depth_; }

 private:
  struct Slot {
    std::optional<PendingWrite> write;  // the kernel reads its iovecs
    std::uint64_t tag = 0;
  };

  UringQueue(PosixFile& file, std::size_t depth) : file_(file), depth_(depth), slots_(depth), owner_(::getpid()) {
    for (std::size_t i = depth; i > 0; --i) free_.push_back(i - 1);
  }

  // Hands the prepared entry to the kernel: 0, or the errno of a kernel that will not.
  int take_submission() {
    for (;;) {
      const int taken = ::io_uring_submit(&ring_);
      if (taken == 1) return 0;
      if (taken == -EINTR) continue;
      // The kernel is short of memory until something completes: complete something.
      if ((taken == -EAGAIN || taken == -EBUSY) && submitted_ > 0) {
        done_.push_back(reap());
        continue;
      }
      return taken < 0 ? -taken : EIO;
    }
  }

  // Waits for one write the kernel has, and finishes it.
  Result<std::uint64_t> reap() {
    io_uring_cqe* completion = nullptr;
    int waited = 0;
    do {
      waited = ::io_uring_wait_cqe(&ring_, &completion);
    } while (waited == -EINTR || waited == -EAGAIN);
    // The kernel reads memory of ours and we could no longer tell until when: going on
    // could put freed memory into the file.
    CAIRN_INVARIANT(waited == 0);
    const auto index = static_cast<std::size_t>(::io_uring_cqe_get_data64(completion));
    const int result = completion->res;
    ::io_uring_cqe_seen(&ring_, completion);
    --submitted_;
    free_.push_back(index);
    Slot& slot = slots_[index];
    PendingWrite write = std::move(*slot.write);
    slot.write.reset();
    CAIRN_CHECK(complete(write, result));
    return slot.tag;
  }

  Status complete(PendingWrite& write, int result) {
    if (result >= 0) {
      CAIRN_CHECK(write.advance(file_, static_cast<std::size_t>(result)));
    } else if (result != -EINTR && result != -EAGAIN && result != -ECANCELED) {
      return file_.error("write", write.offset(), -result);
    }
    return write.finish(file_);
  }

  PosixFile& file_;
  const std::size_t depth_;
  io_uring ring_{};
  bool ring_open_ = false;
  std::vector<Slot> slots_;
  std::vector<std::size_t> free_;
  std::size_t submitted_ = 0;
  std::deque<Result<std::uint64_t>> done_;  // completed before they were asked for
  std::optional<Error> broken_;
  const pid_t owner_;
};

bool probe() {
  io_uring ring{};
  if (::io_uring_queue_init(2, &ring, 0) < 0) return false;
  io_uring_probe* supported = ::io_uring_get_probe_ring(&ring);
  const bool works = supported != nullptr && ::io_uring_opcode_supported(supported, IORING_OP_WRITEV) != 0;
  ::io_uring_free_probe(supported);
  ::io_uring_queue_exit(&ring);
  return works;
}

}  // namespace

bool uring_works() {
  static const bool works = probe();
  return works;
}

std::unique_ptr<WriteQueue> make_uring_queue(PosixFile& file, std::size_t depth) {
  return UringQueue::make(file, depth);
}

}  // namespace cairn

#else

namespace cairn {

bool uring_works() { return false; }
std::unique_ptr<WriteQueue> make_uring_queue(PosixFile& /*file*/, std::size_t /*depth*/) { return nullptr; }

}  // namespace cairn

#endif
