// SPDX-License-Identifier: Apache-2.0
//
// What a mirror needs of the store that it is a view of.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "replication/content.h"

namespace cairn::mirror {

// Used by one thread at a time. The store goes on meanwhile: it is written to and reclaimed.
class Source {
 public:
  virtual ~Source() = default;

  virtual StoreFacts facts() const = 0;

  struct Changes {
    // In the order of the log. One that was replaced or removed later is left out: what replaced it comes later.
    std::vector<Statement> statements;
    Cursor to;              // what comes next is behind this
    bool has_more = false;  // there is something behind it by now
    // Segments behind `from` were reclaimed. All statements that hold have been carried to where this finds them; that
    // something was removed may not be known any more: see holds().
    bool has_gap = false;
  };
  // What is committed behind `from`; about `bytes_max` of it, at least one statement when there is any.
  virtual Result<Changes> changes(const Cursor& from, std::size_t bytes_max) = 0;

  // Whether there is a statement of this kind and key, whatever it says.
  virtual Result<bool> holds(const Statement& statement) = 0;
  // Whether it is still what the store says.
  virtual Result<bool> is_current(const Statement& statement) = 0;

  // Nothing: it is not in the store (any more). A blob that is a single block is returned as that block. The payload
  // matches its checksum; corruption when it does not.
  virtual Result<std::optional<Content>> read(const ContentId& id) = 0;
};

}  // namespace cairn::mirror
