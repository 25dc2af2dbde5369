// SPDX-License-Identifier: Apache-2.0
//
// Keeps a mirror up to date with a store for as long as both are there, in a thread of its own. The thread looks where
// the log ends, waits a little for more, pushes, and when that fails tries again, ever less often. It holds nothing
// back and keeps nothing: what is mirrored later is read from the log then (docs/decisions/0013).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "replication/remote.h"
#include "replication/source.h"

namespace cairn::mirror {

struct MirrorOptions {
  // What is committed waits so long for more to be pushed with it, unless so much is there, or somebody waits for it.
  std::chrono::milliseconds linger{1'000};
  std::uint64_t linger_bytes = 64ull << 20;
  // How often it looks where the log ends. That asks the remote nothing.
  std::chrono::milliseconds interval{100};
  // After a push that failed: the wait doubles with each further failure, and each is drawn evenly from its upper half.
  // What will not succeed by itself (no permission, another history) waits for the longest time at once.
  std::chrono::milliseconds retry_first{1'000};
  std::chrono::milliseconds retry_max{300'000};
  // So long after a push the remote is told to rest, when there was no other: a database is not kept connected for
  // somebody who has nothing to say, and another program may push for the same store meanwhile.
  std::chrono::milliseconds rest_after{5'000};
  // Called first on the thread.
  std::function<void()> on_thread = {};
};

enum class MirrorState : std::uint8_t {
  starting,  // nothing was asked yet
  current,   // the mirror has what is committed
  waiting,   // for more, before it pushes
  pushing,
  failing,  // the last push failed; it tries again
  paused,
  stopped,
};

struct MirrorStats {
  MirrorState state = MirrorState::starting;
  // Of the log that is committed and not mirrored yet; records also count those that say nothing to a mirror.
  std::uint64_t lag_bytes = 0, lag_records = 0;
  std::chrono::nanoseconds lag{0};  // since the oldest of it was seen
  std::uint64_t pushes = 0;         // that succeeded
  std::uint64_t failures = 0;       // pushes that did not
  std::string error;                // of the last push, if it failed
  std::chrono::nanoseconds retry_in{0};
  PushReport sent;  // of all pushes, those that failed included; left_out is the last one's, and `to` where it got to
};

class Mirror {
 public:
  // Both are borrowed, for the thread alone.
  Mirror(Source& source, Remote& remote, MirrorOptions options);
  ~Mirror() { stop(); }
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  // Once. resource_exhausted when the system starts no more threads.
  Status start();
  // Stops the remote too, and returns when nothing is under way. What is not mirrored yet is not waited for.
  void stop();

  // Returns when nothing is under way; nothing follows until as many have resumed as paused. What somebody else has
  // put into the mirror meanwhile is looked at anew.
  void pause();
  void resume();

  MirrorStats stats() const;

  // The log is mirrored up to `at`, and nothing of it was left out: what was is tried again first. An error that tells
  // why it is not: of a push that will not succeed by itself, or of the last one when `time` was too short (retryable);
  // corruption when something was left out again; cancelled when it is stopped.
  Status wait_until(const Cursor& at, std::chrono::nanoseconds time);

 private:
  using Clock = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;

  // The log as it was seen at some time.
  struct Seen {
    Cursor at;
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;  // of the log until here, those before the thread began included
    Clock::time_point since;  // the first of what is behind the one before was seen then
  };

  void run();
  // Where the log ends by now.
  void look(Lock& lock);
  bool is_due(Clock::time_point now) const;
  void rest_if_due();
  bool is_wanted() const;  // somebody waits for what is not mirrored
  void push(Lock& lock);
  void note_mirrored(const Cursor& to);
  void note_failure(const Error& error);
  Status go_on(const PushReport& so_far);

  Source& source_;
  Remote& remote_;
  const MirrorOptions options_;
  std::mutex stopping_one_;  // held while it is stopped
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_, as everything below.
  bool stopping_ = false;
  unsigned pauses_ = 0;
  bool pushing_ = false;
  bool renew_ = false;      // the mirror may have what nobody here knows
  bool begun_ = false;      // a push has succeeded: what is mirrored is known
  std::uint64_t turn_ = 0;  // pushes that have ended
  bool resting_ = true;     // and the remote knows it
  Clock::time_point rest_at_{};
  bool tries_again_ = false;  // somebody waits, who wants what was left out
  Clock::time_point looked_{};
  Seen mirrored_;            // of what was seen, the last that is mirrored; its cursor may be further
  std::deque<Seen> behind_;  // and what is not, oldest first
  std::vector<Cursor> wanted_;
  std::uint64_t before_failing_ = 0;  // failures since the last success
  Clock::time_point next_try_{};
  std::optional<Error> error_;
  MirrorStats stats_;
  PushReport so_far_;  // of the push under way
  std::minstd_rand random_{std::random_device{}()};
  std::thread thread_;
};

}  // namespace cairn::mirror
