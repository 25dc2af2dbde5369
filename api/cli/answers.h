// SPDX-License-Identifier: Apache-2.0
//
// What verbs answer alike: a listing, the fields of one thing, how many were removed, and that they were called
// wrongly.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/cli/session.h"

namespace cairn::cli {

// Exit code 2.
Error wrong_usage(std::string why);

// Rows, printed as one JSON array or as one table.
class Listing {
 public:
  explicit Listing(std::vector<Table::Column> columns) : table_(std::move(columns)) {}
  void add(Json row, std::vector<std::string> cells);
  void print(Output& out);

 private:
  Json rows_ = Json::array();
  Table table_;
};

// One thing: a JSON object, or a line for each field.
void print_fields(Output& out, const Json& fields);

// "Removed 12 results", or a summary with `removed`.
void print_removed(Session& session, std::uint64_t removed, std::string_view one, std::string_view many);

// Page after page of what `fetch(cursor, count)` lists, at most `limit` rows, each given to `visit`. `rows` says where
// a page has them. An error, or a stop that the user asks for, ends the walk.
template <class Page, class Row, class Fetch, class Visit>
Status walk_pages(Session& session, std::optional<std::size_t> limit, std::vector<Row> Page::*rows, const Fetch& fetch,
                  const Visit& visit) {
  constexpr std::size_t kPageRows = 1000;
  Page page;
  std::size_t left = limit.value_or(SIZE_MAX);
  do {
    CAIRN_TRY(page, fetch(page.next, std::min(left, kPageRows)));
    left -= (page.*rows).size();
    for (const Row& row : page.*rows) CAIRN_CHECK(visit(row));
    CAIRN_CHECK(session.check_stop());
  } while (!page.next.empty() && left > 0);
  return {};
}

}  // namespace cairn::cli
