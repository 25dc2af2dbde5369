// SPDX-License-Identifier: Apache-2.0
//
// A store on a simulated disk in which a test decides what lies in which segment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/archive_fixture.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {

class SegmentedStore {
 public:
  SegmentedStore();

  SimFileSystem& fs() { return fs_; }
  Store& store() { return *store_; }
  StoreImpl& impl() { return *impl_; }
  // The segment in which the latest record is.
  std::uint32_t segment() const { return impl_->index().applied().segment; }
  std::vector<std::uint32_t> segments();
  std::string file_of(std::uint32_t segment) const;

  // A value that nothing else is like, of whole pages. Returns its id.
  std::string put();
  // Puts such values until the next segment has been begun. Returns their ids: the last one may
  // lie in both.
  std::vector<std::string> fill();
  void remove(const std::vector<std::string>& ids);
  void reopen(const StoreOptions& options = {});
  // With an index that is made from the log alone. Returns the damage that was found.
  std::vector<std::string> rebuild();

 private:
  void open(StoreOptions options);
  void close();

  SimFileSystem fs_;
  std::optional<Store> store_;
  StoreImpl* impl_ = nullptr;  // of store_
  std::uint64_t values_ = 0;
};

}  // namespace cairn::testing
