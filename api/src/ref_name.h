// SPDX-License-Identifier: Apache-2.0
//
// "NAME" and "NAME@V": how people write refs.
#pragma once

#include <optional>
#include <string>

#include "api/src/store_impl.h"

namespace cairn {

struct RefName {
  std::string name;
  std::optional<std::uint64_t> version;  // none: the latest
};
Result<RefName> parse_ref_name(const std::string& text);

// The ref that `text` names; not_found when there is none.
Result<RefRecord> resolve_ref(StoreImpl& store, const std::string& text);
// The same. What is not here is brought from the mirror that the store is read through, where there is one. Not for
// whoever has the log's turn.
Result<RefRecord> find_ref(StoreImpl& store, const std::string& text);
RefInfo to_info(const StoreImpl& store, const RefRecord& ref);

// What a ref's snapshot holds.
Result<TreeManifest> load_ref_tree(StoreImpl& store, const RefRecord& ref);

}  // namespace cairn
