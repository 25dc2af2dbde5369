// SPDX-License-Identifier: Apache-2.0
//
// What a mirror needs of the store that it gives things back to.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "replication/content.h"

namespace cairn::mirror {

// Used by one thread at a time, but for check().
class Destination {
 public:
  virtual ~Destination() = default;

  virtual StoreFacts facts() const = 0;

  // What a block or object that the store has, and can read, relies on: the bases of a delta block, the parts of an
  // object. Nothing: the store does not have it, or it is damaged there. A blob may be a single block here.
  virtual Result<std::optional<std::vector<ContentId>>> parts_of(const ContentId& id) = 0;

  // Does of put() what needs nothing of the store, and notes in `content` that it is done. Any thread, beside all other
  // calls. The errors of put().
  virtual Status check(Content& content) const = 0;
  // Takes content from elsewhere: hostile, and taken only when it is what its id says, else corruption that names it.
  // The bases of a delta block are there, committed. What is there already stays as it is.
  virtual Status put(const Content& content) = 0;
  // The blocks that were put survive power loss, and can be read. Objects may wait for say(): what they are made of may
  // come behind them.
  virtual Status commit() = 0;

  // All of them or, after a crash, none. What they need was put.
  virtual Status say(std::span<const Statement> statements) = 0;
};

}  // namespace cairn::mirror
