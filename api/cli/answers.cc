// SPDX-License-Identifier: Apache-2.0
#include "api/cli/answers.h"

#include <fmt/format.h>

#include <utility>

namespace cairn::cli {
namespace {

std::string field_text(Output& out, const Json& value) {
  if (value.is_string()) return out.name(value.get_ref<const std::string&>());
  return value.is_number_float() ? fmt::format("{:.6g}", value.get<double>()) : value.dump();
}

}  // namespace

Error wrong_usage(std::string why) { return Error{.code = ErrorCode::invalid_argument, .message = std::move(why)}; }

void Listing::add(Json row, std::vector<std::string> cells) {
  rows_.push_back(std::move(row));
  table_.add(std::move(cells));
}

void Listing::print(Output& out) {
  if (out.json()) {
    out.document(std::move(rows_));
  } else {
    out.table(table_);
  }
}

void print_fields(Output& out, const Json& fields) {
  if (out.json()) return out.document(fields);
  Table table({{""}, {""}});
  for (const auto& [name, value] : fields.items()) table.add({name, field_text(out, value)});
  out.table(table);
}

void print_removed(Session& session, std::uint64_t removed, std::string_view one, std::string_view many) {
  if (session.out().json()) {
    session.summary(Json{{"removed", removed}});
  } else {
    session.out().report("Removed " + count_text(removed, one, many) + "\n");
  }
}

}  // namespace cairn::cli
