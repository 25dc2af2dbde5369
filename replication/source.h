// SPDX-License-Identifier: Apache-2.0
//
// What a mirror needs of the store that it is a view of.
#pragma once

#include <cstddef>
#include <cstdint>
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
    // Segments behind `from` were reclaimed, or are damaged. All statements that hold are found all the same; that
    // something was removed may not be known any more: see current().
    bool has_gap = false;
  };
  // What is committed behind `from`; about `bytes_max` of it, at least one statement when there is any. conflict: the
  // log ends before.
  virtual Result<Changes> changes(const Cursor& from, std::size_t bytes_max) = 0;

  // What the store says now of the kind and key of `like`. Nothing: nothing, or that it is gone.
  virtual Result<std::optional<Statement>> current(const Statement& like) = 0;

  // Where the log ends by now, and how many records it has had. Cheap: it is asked again and again.
  struct Head {
    Cursor at;
    std::uint64_t records = 0;
  };
  virtual Result<Head> head() = 0;
  // Of the log between the two. What was reclaimed since counts nothing.
  virtual std::uint64_t bytes_between(const Cursor& from, const Cursor& to) = 0;

  // A number by which the log up to `at` is told from the log of another copy of the store that went its own way.
  // Nothing: that part of the log is no more. conflict: the log has no such place.
  virtual Result<std::optional<std::uint64_t>> mark_at(const Cursor& at) = 0;

  // Nothing: it is not in the store (any more). A blob that is a single block is returned as that block. The payload
  // matches its checksum; corruption when it does not.
  virtual Result<std::optional<Content>> read(const ContentId& id) = 0;
};

}  // namespace cairn::mirror
