// SPDX-License-Identifier: Apache-2.0
//
// What tests of damage and healing do: a store of archives, values and checkpoints in many
// segments, damage of a kind in some of them, and everything put in once more.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/format/record.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {

struct PlacedRecord {
  std::uint32_t segment = 0;
  RecordDescriptor record;
};

class HealScenario {
 public:
  // Makes the inputs once. `values`: how many are put between archives and checkpoints.
  explicit HealScenario(std::size_t values);

  // Makes the store, and leaves it closed.
  void prepare(FileSystem& fs, const std::string& path);
  // Adds, puts and saves all of it, anew or once more. Versions that come are noted.
  Status put_in(Store& store);

  // Every record of the log for which the index has this place, refs and roots as well.
  static std::vector<PlacedRecord> records(FileSystem& fs, const std::string& path);
  // Flips a bit in the middle of each payload.
  static void damage(SimFileSystem& fs, const std::string& path, const std::vector<PlacedRecord>& records);

  // The things that cannot be read as they were put in, as check() names them: a file of a
  // version, an object, a checkpoint. Wrong content is a failure of the test.
  std::set<std::string> unreadable(Store& store) const;
  // The same by what a report says is affected; a version that is lost stands for its files.
  std::set<std::string> affected(const std::vector<Damage>& damaged) const;
  // Versions that a report says are lost whole.
  std::set<std::string> lost_versions(const std::vector<Damage>& damaged) const;
  void forget_version(const std::string& ref) { versions_.erase(ref); }
  std::size_t things() const;

 private:
  struct Value {
    std::string content, name;
    bool tensor = false;
  };
  Put put_of(const Value& value) const;

  ScratchFolder inputs_;
  std::vector<Value> values_;
  std::map<std::string, std::string> ids_;                               // content by id
  std::map<std::string, std::map<std::string, std::string>> inputs_of_;  // files by archive's name
  std::map<std::string, std::map<std::string, std::string>> versions_;   // files by name@version
  std::map<std::uint64_t, std::vector<Value>> checkpoints_;              // by generation
};

}  // namespace cairn::testing
