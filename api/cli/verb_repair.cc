// SPDX-License-Identifier: Apache-2.0
//
// cairn repair: makes the index anew from the log.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

Result<int> run_repair(Session& session) {
  CAIRN_TRY(const std::string path, session.store_path());
  CAIRN_TRY(const RepairReport report, Store::rebuild_index(path, session.progress()));
  session.clear_progress();
  Output& out = session.out();
  if (out.json()) {
    session.summary(to_json(report));
  } else {
    for (const std::string& damage : report.damage) out.text("damaged: " + printable(damage) + "\n");
    out.report(fmt::format("Rebuilt the index from {} of the log, in {}.\n",
                           count_text(report.records_replayed, "record", "records"), duration_text(session.seconds())));
    if (report.quarantined > 0) {
      out.text(fmt::format("{} left out of the index; the log keeps them. 'cairn check' names what they affect.\n",
                           count_text(report.quarantined, "damaged place was", "damaged places were")));
    }
  }
  return report.quarantined > 0 ? kExitDamage : kExitDone;
}

Run declare_repair(VerbOptions& options) {
  const auto index = std::make_shared<bool>(false);
  options.flag("--index", *index, "Rebuild the index from the log alone", Need::required);
  return [index](Session& session) { return run_repair(session); };
}

}  // namespace

constinit const Verb kRepair{.name = "repair",
                             .summary = "Rebuild the index from the log",
                             .examples = "  cairn repair --index\n",
                             .lines = true,
                             .declare = declare_repair};

}  // namespace cairn::cli
