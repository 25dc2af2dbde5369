// SPDX-License-Identifier: Apache-2.0
//
// What the tensors of a model that is added may be the difference from: those of the same name, dtype and
// shape in another version.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/src/base_trials.h"
#include "api/src/store_impl.h"
#include "engine/content/model_file.h"
#include "engine/write/base_source.h"

namespace cairn {

// For one call of add(), which has the log's turn. What cannot be read of the other version is as if it
// were not there: nothing relies on that.
class AddBases {
 public:
  AddBases(StoreImpl& store, RefRecord version) : store_(store), version_(std::move(version)) {}

  const RefRecord& version() const { return version_; }
  // For the model at `path`; null when it has no tensor that is there. Outlived by this object.
  std::unique_ptr<BaseSource> of_file(const std::string& path, const ModelFile& model);

 private:
  class OfFile;
  // Tensors of the other version, by the path of their file.
  using ByPath = std::map<std::string, Digest>;
  void load();

  StoreImpl& store_;
  const RefRecord version_;
  bool loaded_ = false;
  std::map<std::pair<std::string, std::size_t>, ByPath>
      tensors_;  // by name; of equal ones in one file, the how many-th
  BaseTrials trials_;
};

}  // namespace cairn
