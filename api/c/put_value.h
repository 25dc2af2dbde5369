// SPDX-License-Identifier: Apache-2.0
//
// Values that are put, as the C interface has them.
#pragma once

#include "api/c/handle.h"

namespace cairn::c {

inline constexpr std::size_t kDimensionsMax = 64;

struct Request {
  Put put;
  PutOptions options;
};

// What is to be released is, whatever becomes of it: once the request is gone, or what was made of it.
Result<Request> request_of(const cairn_put_value* given);
// One behind the other, as far apart as the first one's size says. All are released when one of them is wrong.
Result<std::vector<Request>> requests_of(const cairn_put_value* given, std::size_t count);

Result<TensorLayout> layout_of(int dtype, std::size_t dimensions, const std::uint64_t* shape);

}  // namespace cairn::c
