// SPDX-License-Identifier: Apache-2.0
//
// Where a store's mirrors are: a small JSON file for each in its folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/src/store_impl.h"
#include "cairn/mirrors.h"

namespace cairn {

// Letters, digits, '-', '_' and '.', the first of them none of these marks; at most 64.
Status check_mirror_name(const std::string& name);

Status write_mirror_place(StoreImpl& store, const std::string& name, const MirrorPlace& place);
// Nothing: there is no mirror of that name. corruption: the file is not what was written.
Result<std::optional<MirrorPlace>> read_mirror_place(StoreImpl& store, const std::string& name);
Result<std::vector<MirrorInfo>> read_mirror_places(StoreImpl& store);
// False when there was none.
Result<bool> remove_mirror_place(StoreImpl& store, const std::string& name);

// All of them, with a store in `folder` that is destroyed.
Status destroy_mirror_places(FileSystem& fs, const std::string& folder);

}  // namespace cairn
