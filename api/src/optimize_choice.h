// SPDX-License-Identifier: Apache-2.0
//
// Which blocks optimize() looks at, and what is known of their elements.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/src/store_impl.h"
#include "cairn/dtype.h"

namespace cairn {

struct ChosenBlock {
  Digest digest;
  RecordLocation at;  // when it was chosen
  DType dtype = DType::opaque;
};

// Live blocks in the order in which they lie in the log: of the versions that `name` names, or,
// when it is empty, all. not_found when there are no such versions.
// `check_stop` is asked at times.
Result<std::vector<ChosenBlock>> choose_blocks(StoreImpl& store, const std::string& name,
                                               const std::function<Status()>& check_stop);

}  // namespace cairn
