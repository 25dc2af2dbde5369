// SPDX-License-Identifier: Apache-2.0
#include "api/cli/mirror_status.h"

#include <fmt/format.h>

#include <utility>

#include "api/cli/answers.h"

namespace cairn::cli {
namespace {

// Only a database has rows.
bool is_database(const MirrorStatus& found) { return !found.rows.empty(); }

void add_fields(const MirrorStatus& found, Json& fields) {
  fields["packs"] = found.packs;
  fields["pack_bytes"] = found.pack_bytes;
  fields["rows"] = Json::object();
  for (const auto& [table, rows] : found.rows) fields["rows"][table] = rows;
  fields["left_out"] = array_of_texts(found.left_out);
  fields["behind_statements"] = found.behind_statements;
  fields["behind_bytes"] = found.behind_bytes;
  fields["stores"] = Json::array();
  for (const MirroredStoreInfo& one : found.stores) {
    fields["stores"].push_back({{"id", one.id},
                                {"is_this", one.is_this},
                                {"problem", printable(one.problem)},
                                {"names", array_of_texts(one.names)}});
  }
}

// Of this store, in the tables that have any.
std::string rows_text(const MirrorStatus& found) {
  std::uint64_t sum = 0;
  std::string tables;
  for (const auto& [table, rows] : found.rows) {
    if (rows == 0) continue;
    sum += rows;
    tables += fmt::format("{}{} {}", tables.empty() ? ": " : ", ", table, rows);
  }
  return count_text(sum, "row", "rows") + " of this store" + tables;
}

}  // namespace

Json array_of_texts(const std::vector<std::string>& texts) {
  Json array = Json::array();
  for (const std::string& text : texts) array.push_back(printable(text));
  return array;
}

void show_mirror_status(Session& session, const MirrorStatus& found, Json fields) {
  Output& out = session.out();
  if (out.json()) {
    add_fields(found, fields);
    session.summary(std::move(fields));
    return;
  }
  out.report(fmt::format("{} at {}: {}\n", found.mirror.name, out.name(found.mirror.place.url),
                         is_database(found)
                             ? rows_text(found)
                             : size_text(found.pack_bytes) + " in " + count_text(found.packs, "pack", "packs")));
  for (const MirroredStoreInfo& one : found.stores) {
    out.report(fmt::format(
        "  store {}{}: {}\n", one.id, one.is_this ? " (this one)" : "",
        one.problem.empty() ? count_text(one.names.size(), "version", "versions") : printable(one.problem)));
  }
  for (const std::string& why : found.left_out) out.report("  left out: " + printable(why) + "\n");
  out.report(found.behind_statements == 0 ? std::string("All that this store says is mirrored\n")
                                          : fmt::format("Not mirrored yet: {}, in {} of the log\n",
                                                        count_text(found.behind_statements, "name, object or result",
                                                                   "names, objects and results"),
                                                        size_text(found.behind_bytes)));
}

}  // namespace cairn::cli
