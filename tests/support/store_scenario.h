// SPDX-License-Identifier: Apache-2.0
//
// What fault tests do to a store, the same on every file system: create it, archive a few
// versions, close it. Remembers what was acknowledged, and knows what must hold after.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/archive_fixture.h"

namespace cairn::testing {

class StoreScenario {
 public:
  // Makes the inputs once: model files that share tensors, an opaque file, several
  // segments' worth in a small store.
  StoreScenario();

  // Runs from the beginning, or goes on with the store at `path`, until something fails.
  // Returns what stopped it, or ok.
  Status run(FileSystem& fs, const std::string& path);

  // Versions whose add() returned; those before were acknowledged as synced.
  std::size_t acknowledged() const { return acknowledged_; }
  void forget_acknowledged() { acknowledged_ = 0; }
  std::size_t steps() const { return steps_.size(); }

  // Opens what a fault left: every acknowledged version is there bit for bit, nothing in
  // it is damaged, and what was not acknowledged is a version whole or not there at all.
  // Returns why not, or nothing. `header_may_be_missing`: creation itself was cut short.
  std::string what_is_wrong(FileSystem& fs, const std::string& path);

 private:
  struct Step {
    std::string name;
    std::vector<std::string> paths;
    std::map<std::string, std::string> files;  // expected, by path in the archive
  };
  ScratchFolder inputs_;
  std::vector<Step> steps_;
  std::size_t acknowledged_ = 0;
};

// How much the long budget asks for: CAIRN_TEST_SCALE=long multiplies what quick runs do.
std::size_t scaled(std::size_t quick, std::size_t longer);
// The seed of random tests: CAIRN_TEST_SEED, or `fixed`.
std::uint64_t test_seed(std::uint64_t fixed);

}  // namespace cairn::testing
