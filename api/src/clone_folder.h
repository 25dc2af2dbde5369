// SPDX-License-Identifier: Apache-2.0
//
// The folder that a clone of a store is made in: beside its final place, under another name,
// and locked. It gets its final name as a store that is whole, or never.
#pragma once

#include <memory>
#include <string>

#include "api/src/store_impl.h"

namespace cairn {

class CloneFolder {
 public:
  // Makes the folder, with those of the log and the index in it, and removes before what a
  // killed process left of the same.
  static Result<std::unique_ptr<CloneFolder>> begin(FileSystem& fs, const std::string& to);
  // Removes everything, unless finish() has named it.
  ~CloneFolder();
  CloneFolder(const CloneFolder&) = delete;
  CloneFolder& operator=(const CloneFolder&) = delete;

  const StoreLayout& layout() const { return layout_; }
  // What is in the log's and the index's folders is durable: makes it a store, and names it.
  Status finish(const StoreHeader& header);

 private:
  CloneFolder(FileSystem& fs, const std::string& to) : fs_(fs), to_(to), layout_(to + ".cloning") {}
  Status make();
  Status check_leftover();
  Status empty();

  FileSystem& fs_;
  const std::string to_;
  const StoreLayout layout_;
  std::unique_ptr<FileLock> lock_;
  bool named_ = false;
};

}  // namespace cairn
