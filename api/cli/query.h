// SPDX-License-Identifier: Apache-2.0
//
// Which rows of a listing are shown, and in which order: --filter, --sort and --limit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/cli/output.h"

namespace cairn::cli {

struct QueryOptions {
  std::vector<std::string> filters;  // all of them must hold
  std::string sort;                  // a field; with '-' before it, in descending order
  std::optional<std::size_t> limit;
};

// A filter is FIELD OPERATOR VALUE. The field is one of `fields`, the names of the rows'
// JSON fields, or "tags.KEY". The operators are = != (text as globs, with '*' and '?'),
// and < <= > >=. Numbers may be written as sizes, such as bytes>1GiB; times and texts are
// compared as text, which for times is their order. Anything else is invalid_argument.
//
// Answers the positions of the rows to show. Rows that lack a field match only "!=", and
// are sorted last.
Result<std::vector<std::size_t>> select_rows(const QueryOptions& options, const std::vector<std::string>& fields,
                                             const std::vector<Json>& rows);

}  // namespace cairn::cli
