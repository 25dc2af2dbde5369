// SPDX-License-Identifier: Apache-2.0
//
// cairn log: the versions of a name, each with the one that it came from.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string ref;
  std::optional<std::size_t> limit;
};

Result<int> run_log(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(std::vector<VersionInfo> versions, store.archive().log(options.ref));
  if (options.limit && *options.limit < versions.size()) versions.resize(*options.limit);
  Output& out = session.out();
  if (out.json()) {
    Json array = Json::array();
    for (const VersionInfo& version : versions) array.push_back(to_json(version));
    out.document(std::move(array));
    return kExitDone;
  }
  using Align = Table::Align;
  Table table({{"VERSION", Align::right}, {"PARENT", Align::right}, {"CREATED"}, {"SIZE", Align::right}, {"TAGS"}});
  for (const VersionInfo& version : versions) {
    const std::string parent = version.parent.empty()   ? "-"
                               : version.parent_version ? std::to_string(*version.parent_version)
                                                        : "gone";
    table.add({std::to_string(version.ref.version), parent, local_time_text(version.ref.created_ns),
               size_text(version.ref.logical_bytes), out.name(tags_text(version.ref.tags))});
  }
  if (!table.empty()) out.table(table);
  return kExitDone;
}

Run declare_log(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("NAME", given->ref, "NAME, or NAME@VERSION for that version and those before it");
  options.option("--limit", "N", given->limit, "At most so many versions, the newest first");
  return [given](Session& session) { return run_log(session, *given); };
}

}  // namespace

constinit const Verb kLog{.name = "log",
                          .summary = "Show the versions of a name and where each came from",
                          .examples =
                              "  cairn log llama-sft\n"
                              "  cairn --json log checkpoints/run7@400 --limit 10\n",
                          .lines = false,
                          .declare = declare_log};

}  // namespace cairn::cli
