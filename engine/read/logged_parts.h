// SPDX-License-Identifier: Apache-2.0
//
// What objects are made of, and delta blocks the difference from, read from the log.
#pragma once

#include "engine/index/index.h"
#include "engine/log/log_reader.h"

namespace cairn {

// Any thread.
class LoggedParts final : public ObjectParts {
 public:
  explicit LoggedParts(LogReader& log) : log_(log) {}
  Result<std::optional<std::vector<Reference>>> parts_of(const Digest& id, const RecordLocation& at) override;

 private:
  LogReader& log_;
};

}  // namespace cairn
