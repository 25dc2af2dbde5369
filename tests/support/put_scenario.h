// SPDX-License-Identifier: Apache-2.0
//
// What fault tests do with objects that are put directly: several threads put small values,
// large ones and groups, handed over in every way, and wait for some of them. Remembers what
// was acknowledged as synced, and knows what must hold after.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/archive_fixture.h"

namespace cairn::testing {

// Ends the process, with a word about why, when it lives too long: nothing may hang.
class Watchdog {
 public:
  explicit Watchdog(std::string what, std::chrono::seconds patience = std::chrono::seconds(100));
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  bool done_ = false;
  std::thread thread_;
};

class PutScenario {
 public:
  static constexpr std::size_t kThreads = 4, kPutsEach = 8;

  PutScenario();

  struct Outcome {
    Status status;       // the first error that any call or ticket told of
    std::string broken;  // a promise about tickets and memory that was not kept, or nothing
  };
  // Opens or creates the store at `path`, puts everything and closes it. When something
  // fails, every thread ends with what it has begun. `reads_go_on`: what fails is only
  // writing, so that what was acknowledged can be read all the while.
  Outcome run(FileSystem& fs, const std::string& path, bool reads_go_on = false);

  std::size_t acknowledged() const;
  void forget_acknowledged();

  // Opens what a fault left: nothing is damaged, what was acknowledged is there with all its
  // names and bytes, what was put together is there together or not at all. `ordered`: of
  // what each thread put into each lane, what is missing is a suffix (as after a crash).
  // Then it takes one more value and is closed. Returns what is wrong, or nothing.
  std::string what_is_wrong(FileSystem& fs, const std::string& path, bool ordered = true);

 private:
  struct Value {
    std::string name, content;
    bool tensor = false;
    Handover handover = Handover::copy;
  };
  struct Group {
    std::vector<Value> values;
    bool small = false;  // which lane it takes
  };
  struct Run;
  void put_all(Store& store, std::size_t thread, Run& run);
  std::string wrong_with(Store& store, bool ordered);

  std::vector<Group> groups_;  // kPutsEach for each thread
  // Changed by threads, and by processes that die.
  std::array<std::atomic<bool>, kThreads * kPutsEach> acknowledged_{};
};

}  // namespace cairn::testing
