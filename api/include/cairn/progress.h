// SPDX-License-Identifier: Apache-2.0
//
// How long calls tell how far they are, and how they are asked to stop.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

struct ProgressState {
  // What is being done: "scan", "add", "restore", "check", "scrub", "repair", "reclaim", "clone", …
  const char* phase = "";
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;  // 0 while unknown
  std::uint64_t new_bytes = 0;    // stored, restored or damaged so far, as the phase says
  std::uint64_t files_done = 0;
  std::string current;  // the file or object at hand; made printable
};

// `report` is called from the thread that made the call, at most every 100 ms and once at
// the end of every phase; it must not call back into the store. `problem` is called once
// for each input that had to be left out or was archived as opaque. Either may be empty.
struct Progress {
  std::function<void(const ProgressState&)> report;
  std::function<void(const std::string& thing, const std::string& why)> problem;
  // When a stop is requested the call ends soon with ErrorCode::cancelled; what was
  // synced stays, and repeating the call continues from there.
  std::stop_token stop;
};

}  // namespace cairn
#pragma GCC visibility pop
