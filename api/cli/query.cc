// SPDX-License-Identifier: Apache-2.0
#include "api/cli/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <compare>
#include <numeric>

namespace cairn::cli {
namespace {

Error usage(std::string message) { return Error{.code = ErrorCode::invalid_argument, .message = std::move(message)}; }

struct Condition {
  std::string field, operation, value;
};

Status check_field(const std::string& field, const std::vector<std::string>& fields) {
  if (std::find(fields.begin(), fields.end(), field) != fields.end()) return {};
  const bool has_tags = std::find(fields.begin(), fields.end(), "tags") != fields.end();
  if (has_tags && field.size() > 5 && field.starts_with("tags.")) return {};
  return usage(fmt::format("there is no field '{}': there are {}", printable(field), fmt::join(fields, ", ")));
}

Result<Condition> parse_condition(const std::string& text, const std::vector<std::string>& fields) {
  const std::size_t at = text.find_first_of("=!<>");
  if (at != std::string::npos) {
    // The longer operators first: "<=" begins with "<".
    for (const std::string_view operation : {"!=", "<=", ">=", "=", "<", ">"}) {
      if (text.compare(at, operation.size(), operation) != 0) continue;
      Condition condition{text.substr(0, at), std::string(operation), text.substr(at + operation.size())};
      CAIRN_CHECK(check_field(condition.field, fields));
      return condition;
    }
  }
  return usage("--filter '" + printable(text) + "' is not FIELD=VALUE (or !=, <, <=, >, >=)");
}

// Null when the row has no such field.
const Json* field_of(const Json& row, const std::string& field) {
  if (const auto found = row.find(field); found != row.end()) return &*found;
  if (!field.starts_with("tags.")) return nullptr;
  const auto tags = row.find("tags");
  if (tags == row.end()) return nullptr;
  const auto tag = tags->find(field.substr(5));
  return tag == tags->end() ? nullptr : &*tag;
}

bool holds(const std::string& operation, std::strong_ordering order) {
  if (operation == "=") return order == 0;
  if (operation == "!=") return order != 0;
  if (operation == "<") return order < 0;
  if (operation == "<=") return order <= 0;
  if (operation == ">") return order > 0;
  return order >= 0;
}

Result<bool> matches(const Condition& condition, const Json& row) {
  const Json* const found = field_of(row, condition.field);
  if (found == nullptr) return condition.operation == "!=";
  if (found->is_number()) {
    CAIRN_TRY(const std::uint64_t wanted, parse_size(condition.value));
    return holds(condition.operation, found->get<std::uint64_t>() <=> wanted);
  }
  const std::string text = found->is_string() ? found->get<std::string>() : json_text(*found);
  if (condition.operation == "=") return matches_glob(condition.value, text);
  if (condition.operation == "!=") return !matches_glob(condition.value, text);
  return holds(condition.operation, text.compare(condition.value) <=> 0);
}

bool comes_before(const Json* a, const Json* b, bool descending) {
  if (a == nullptr || b == nullptr) return a != nullptr && b == nullptr;
  return descending ? *b < *a : *a < *b;
}

}  // namespace

Result<std::vector<std::size_t>> select_rows(const QueryOptions& options, const std::vector<std::string>& fields,
                                             const std::vector<Json>& rows) {
  std::vector<Condition> conditions;
  for (const std::string& filter : options.filters) {
    CAIRN_TRY(Condition condition, parse_condition(filter, fields));
    conditions.push_back(std::move(condition));
  }
  std::vector<std::size_t> selected;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    bool all = true;
    for (const Condition& condition : conditions) {
      CAIRN_TRY(const bool one, matches(condition, rows[row]));
      all = all && one;
    }
    if (all) selected.push_back(row);
  }
  if (!options.sort.empty()) {
    const bool descending = options.sort.front() == '-';
    const std::string field = options.sort.substr(descending ? 1 : 0);
    CAIRN_CHECK(check_field(field, fields));
    std::stable_sort(selected.begin(), selected.end(), [&](std::size_t a, std::size_t b) {
      return comes_before(field_of(rows[a], field), field_of(rows[b], field), descending);
    });
  }
  if (options.limit && *options.limit < selected.size()) selected.resize(*options.limit);
  return selected;
}

}  // namespace cairn::cli
