// SPDX-License-Identifier: Apache-2.0
//
// cairn diff: what changed between two versions, tensor by tensor.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

void print_report(Output& out, const DiffReport& report) {
  Table changes({{"WHAT"},
                 {"SIZE", Table::Align::right},
                 {"CHANGED", Table::Align::right},
                 {"MAX DIFF", Table::Align::right},
                 {"MEAN DIFF", Table::Align::right},
                 {"PATH"},
                 {"TENSOR"}});
  const auto number = [](const std::optional<double>& value) { return value ? fmt::format("{:.3g}", *value) : "-"; };
  for (const TensorChange& change : report.changes) {
    changes.add({change.what, size_text(change.bytes), size_text(change.changed_bytes),
                 number(change.max_abs_difference), number(change.mean_abs_difference), out.name(change.path),
                 change.name.empty() ? "(whole file)" : out.name(change.name)});
  }
  if (!changes.empty()) {
    out.table(changes);
    out.text("\n");
  }
  out.text(fmt::format("{} same, {} changed, {} added, {} removed\n", count_text(report.same),
                       count_text(report.changed), count_text(report.added), count_text(report.removed)));
}

Result<int> run_diff(Session& session, const std::string& a, const std::string& b) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const DiffReport report, store.archive().diff(a, b, session.progress()));
  session.clear_progress();
  if (session.out().json()) {
    session.summary(to_json(report));
  } else {
    print_report(session.out(), report);
  }
  return kExitDone;
}

Run declare_diff(VerbOptions& options) {
  const auto refs = std::make_shared<std::pair<std::string, std::string>>();
  options.argument("A", refs->first, "The older: NAME or NAME@VERSION");
  options.argument("B", refs->second, "The newer");
  return [refs](Session& session) { return run_diff(session, refs->first, refs->second); };
}

}  // namespace

constinit const Verb kDiff{.name = "diff",
                           .summary = "Compare two versions tensor by tensor",
                           .examples =
                               "  cairn diff llama-sft@2 llama-sft@3\n"
                               "  cairn --json diff llama-base llama-sft | jq .changed\n",
                           .lines = false,
                           .declare = declare_diff};

}  // namespace cairn::cli
