// SPDX-License-Identifier: Apache-2.0
//
// What the schema `cairn` is made of, version by version. A version that was released never changes: the next one says
// what is different.
#pragma once

#include <span>
#include <string_view>

namespace cairn::postgres {

// A table, index or view, and a digest of what it is (schema.cc).
struct SchemaObject {
  std::string_view name;
  std::string_view digest;
};

struct Migration {
  std::span<const std::string_view> scripts;  // from the version before, in a transaction that is there already
  std::span<const SchemaObject> objects;      // all that there are then
};

// The first is that of version 1.
std::span<const Migration> migrations();

}  // namespace cairn::postgres
