// SPDX-License-Identifier: Apache-2.0
//
// Mirrors that are kept up to date, and read through, in storage that a test holds.
#pragma once

#include <condition_variable>
#include <mutex>

#include "api/src/bucket_mirror.h"
#include "api/src/running_mirrors.h"
#include "replication/forwarding_storage.h"
#include "tests/store/mirror_fixture.h"

namespace cairn::testing {

// Whose calls wait, while it is hung, until it is stopped or goes on.
class HangingStorage final : public ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  void hang(bool hung) {
    const std::lock_guard lock(mutex_);
    hung_ = hung;
    changed_.notify_all();
  }
  // Returns when a call hangs.
  void wait_until_hung() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

  Status put(std::string_view key, Parts parts) override {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !hung_ || stopped_; });
    --waiting_;
    if (stopped_) return Error{.code = ErrorCode::cancelled, .message = "stopped"};
    lock.unlock();
    return ForwardingStorage::put(key, parts);
  }
  void stop() override {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool hung_ = false, stopped_ = false;
  unsigned waiting_ = 0;
};

class MirroringTest : public MirrorTest {
 protected:
  // Sends as soon as there is something, and tries again at once.
  static MirroringOptions eager() { return {.linger = std::chrono::milliseconds(0), .nice = 0}; }

  static std::unique_ptr<OpenedMirror> mirror_of(StoreImpl& store, std::unique_ptr<ObjectStorage> storage) {
    return std::make_unique<BucketMirror>(store, MirrorInfo(), std::move(storage));
  }
  void start(StoreImpl& store, const MirroringOptions& options = eager()) {
    const Status started = store.running_mirrors().start(
        "remote", mirror_of(store, std::make_unique<ForwardingStorage>(bucket_)), options);
    ASSERT_TRUE(started.ok()) << started.error().message;
  }
  static MirroringStats stats_of(Store& store) { return store.mirrors().mirroring("remote").value(); }
  void expect_restored(Store& store) {
    const auto before = contents(store);
    ASSERT_FALSE(before.empty());
    const auto restored = restore("restored");
    ASSERT_TRUE(restored.ok()) << restored.error().message;
    OpenedStore copy = open("restored");
    EXPECT_EQ(contents(copy.store), before);
    expect_whole(copy.store);
    ASSERT_TRUE(copy.store.close().ok());
    ASSERT_TRUE(StoreImpl::destroy(fs_, "restored").ok());
  }
};

}  // namespace cairn::testing
