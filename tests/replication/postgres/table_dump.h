// SPDX-License-Identifier: Apache-2.0
//
// What a database has of stores, in words: two that have the same say the same.
#pragma once

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "tests/replication/postgres/fixture.h"

namespace cairn::postgres {

// Every row of every table that says something of a store.
inline std::multiset<std::string> dump(Connection& connection) {
  std::multiset<std::string> all;
  for (const char* const table : {"experiments", "experiment_progress", "evaluations", "results", "metrics",
                                  "snapshots", "files", "refs", "tensors", "left_out"}) {
    const auto rows = connection.query("SELECT t::text FROM cairn." + std::string(table) + " t");
    EXPECT_TRUE(rows.ok()) << table << ": " << (rows.ok() ? "" : rows.error().message);
    for (std::size_t i = 0; rows.ok() && i < rows->size(); ++i) {
      CellReader row = rows->row(i);
      all.insert(std::string(table) + " " + row.raw());
    }
  }
  return all;
}

inline void expect_same(const std::multiset<std::string>& here, const std::multiset<std::string>& expected) {
  std::vector<std::string> missing, extra;
  std::ranges::set_difference(expected, here, std::back_inserter(missing));
  std::ranges::set_difference(here, expected, std::back_inserter(extra));
  EXPECT_TRUE(missing.empty()) << missing.size() << ", as " << missing.front().substr(0, 300);
  EXPECT_TRUE(extra.empty()) << extra.size() << ", as " << extra.front().substr(0, 300);
}

}  // namespace cairn::postgres
