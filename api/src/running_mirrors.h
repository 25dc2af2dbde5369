// SPDX-License-Identifier: Apache-2.0
//
// The mirrors that an open store is kept in.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/src/mirror_source.h"
#include "api/src/opened_mirror.h"
#include "cairn/mirrors.h"
#include "replication/mirror.h"

namespace cairn {

// One of them, with all that it works on.
class RunningMirror {
 public:
  RunningMirror(StoreImpl& store, std::unique_ptr<OpenedMirror> opened, const MirroringOptions& options);

  Status start() { return mirror_.start(); }
  MirroringStats stats() const;
  mirror::Mirror& mirror() { return mirror_; }

 private:
  MirrorSource source_;
  const std::unique_ptr<OpenedMirror> opened_;
  const std::unique_ptr<mirror::Remote> remote_;
  mirror::Mirror mirror_;
};

// Any thread.
class RunningMirrors {
 public:
  explicit RunningMirrors(StoreImpl& store) : store_(store) {}

  // already_exists: it runs already.
  Status start(const std::string& name, std::unique_ptr<OpenedMirror> opened, const MirroringOptions& options);
  // False when it does not run.
  bool stop(const std::string& name);
  // For good: none is started any more.
  void stop_all();

  // Null: none runs.
  std::shared_ptr<RunningMirror> find(const std::string& name) const;
  struct Named {
    std::string name;
    std::shared_ptr<RunningMirror> mirror;
  };
  std::vector<Named> all() const;

 private:
  StoreImpl& store_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::map<std::string, std::shared_ptr<RunningMirror>> running_;  // calls under way keep theirs
};

}  // namespace cairn
