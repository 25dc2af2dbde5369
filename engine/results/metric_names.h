// SPDX-License-Identifier: Apache-2.0
//
// The runs and series that a log has been told of, each once, by number.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

// Any number of threads. Names stay where they are as long as this lives.
class MetricNames {
 public:
  struct Series {
    std::uint32_t run = 0;
    std::uint32_t place = 0;  // among those of its run
    std::string name;
  };

  std::uint32_t run(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto [found, is_new] = run_ids_.emplace(name, static_cast<std::uint32_t>(runs_.size()));
    if (is_new) runs_.push_back({std::string(name), 0});
    return found->second;
  }
  bool has_run(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    return run_ids_.contains(name);
  }
  // Never 0. `run` is one that run() gave.
  std::uint32_t series(std::uint32_t run, std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto [found, is_new] =
        series_ids_.emplace(std::pair(run, std::string(name)), static_cast<std::uint32_t>(series_.size() + 1));
    if (is_new) series_.push_back({run, runs_[run].series++, std::string(name)});
    return found->second;
  }

  std::size_t run_count() const {
    const std::lock_guard lock(mutex_);
    return runs_.size();
  }
  const std::string& run_name(std::uint32_t run) const {
    const std::lock_guard lock(mutex_);
    return runs_[run].name;
  }
  // Null when there is no such series.
  const Series* find(std::uint32_t id) const {
    const std::lock_guard lock(mutex_);
    return id == 0 || id > series_.size() ? nullptr : &series_[id - 1];
  }

 private:
  struct Run {
    std::string name;
    std::uint32_t series = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::string, std::uint32_t, std::less<>> run_ids_;
  std::map<std::pair<std::uint32_t, std::string>, std::uint32_t> series_ids_;
  std::deque<Run> runs_;
  std::deque<Series> series_;
};

}  // namespace cairn
