// SPDX-License-Identifier: Apache-2.0
//
// Brings the log and the index of a store into a copy of it, as they are at one moment,
// beside a writer in this process or another. Sealed segments and tables of the index never
// change: they are shared with the store, by a hard link, or by a reflink, and copied where
// neither can be had. What the writer may still append to or cut is always copied, as far
// as it is known to be synced.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/progress_meter.h"
#include "engine/index/guard.h"
#include "engine/io/file_system.h"

namespace cairn {

struct CloneCounters {
  std::uint64_t segments = 0;
  std::uint64_t linked_bytes = 0;  // of files that are shared
  std::uint64_t copied_bytes = 0;
  bool index = false;  // whether the index is among them
};

class Cloner {
 public:
  struct Places {
    std::string log, index;  // folders; those of the copy are empty
  };
  struct Options {
    std::uint64_t store_tag = 0;
    bool share = true;
  };
  Cloner(FileSystem& fs, Places from, Places to, const Options& options, ProgressMeter& meter);

  // Brings most of what there is, at leisure: nobody has to stand still for it.
  Status bring_ahead();
  // Decides on a moment and gets hold of everything that belongs to it: short, whatever the
  // size, after bring_ahead(). `log_end` says how far the log is committed. False when the
  // writer has changed the index on the disk meanwhile: some may be gone, begin again.
  Result<bool> take_moment(const std::function<Result<Position>()>& log_end);
  // Copies what take_moment() got hold of and makes everything durable.
  Status complete();

  const CloneCounters& counters() const noexcept { return counters_; }

 private:
  enum class How { shared, copied, held };
  struct Brought {
    std::uint64_t bytes = 0;
    How how = How::held;
  };
  // What is held is copied by complete(): open, so that removing its name takes nothing away.
  struct Pending {
    std::unique_ptr<File> file;
    std::string to;
    std::uint64_t bytes = 0;
  };

  void let_go();
  Status take_log(const Position& end);
  Status take_index();
  Result<bool> is_sealed(const Position& end) const;
  // Both: nothing when the file is gone.
  Result<std::optional<Brought>> bring(const std::string& from, const std::string& to);
  Result<std::optional<Brought>> hold(const std::string& from, const std::string& to, std::optional<std::uint64_t> cut);
  Result<bool> share(const std::string& from, const std::string& to);
  Status copy(const Pending& pending);
  Status remove(const std::string& path, const Brought& brought);

  FileSystem& fs_;
  const Places from_, to_;
  const Options options_;
  ProgressMeter& meter_;
  // In the copy, or to be.
  std::map<std::uint32_t, Brought> segments_;
  std::map<std::string, std::pair<GuardedFile, Brought>> index_files_;
  std::vector<Pending> pending_;
  std::optional<Guard> guard_;      // of the moment; nothing when the index stays behind
  std::set<std::string> unsynced_;  // shared files that nobody may have synced yet
  CloneCounters counters_;
};

}  // namespace cairn
