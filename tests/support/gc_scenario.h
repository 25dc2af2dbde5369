// SPDX-License-Identifier: Apache-2.0
//
// What tests of reclaiming do: a store with a good deal of dead content among the live, and
// what must hold of it whatever happens while it is reclaimed.
#pragma once

#include <map>
#include <set>
#include <string>

#include "tests/support/archive_fixture.h"

namespace cairn::testing {

// A tombstone for one version of a name.
Status remove_version(StoreImpl& store, const std::string& name, std::uint64_t version);

// Everything the index calls live, and nothing else, is; and nothing is damaged. Returns
// what is wrong, or nothing.
std::string wrong_with_counts(Store& store);

class GcScenario {
 public:
  // Makes the inputs once.
  GcScenario();

  // Values, groups of them and versions of two names, in several segments; half of all is
  // removed again. The store is closed.
  void prepare(FileSystem& fs, const std::string& path);
  // Opens it, reclaims everything that is dead, and closes it.
  Status run(FileSystem& fs, const std::string& path);
  // Opens it, and says what of the same is not there, or nothing.
  std::string look(FileSystem& fs, const std::string& path, Access access = Access::read_only);
  // Opens what a fault left: all that is live is there bit for bit, what was removed is not,
  // counts are right, reclaiming goes on to its end, and a rebuilt index says the same.
  std::string what_is_wrong(FileSystem& fs, const std::string& path);

 private:
  std::string compare(Store& store);

  ScratchFolder inputs_;
  std::map<std::string, std::string> values_;                           // by id
  std::set<std::string> removed_;                                       // ids
  std::map<std::string, std::map<std::string, std::string>> versions_;  // files by name@version
  std::set<std::string> removed_versions_;
};

}  // namespace cairn::testing
