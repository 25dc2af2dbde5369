// SPDX-License-Identifier: Apache-2.0
//
// cairn repair: quarantines what is damaged and mends what can be; or makes the index anew from
// the log.
#include <fmt/format.h>

#include <memory>

#include "api/cli/answers.h"
#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

void print_rebuilt(Session& session, const RepairReport& report) {
  Output& out = session.out();
  for (const std::string& damage : report.damage) out.text("damaged: " + printable(damage) + "\n");
  out.report(fmt::format("Rebuilt the index from {} of the log, in {}.\n",
                         count_text(report.records_replayed, "record", "records"), duration_text(session.seconds())));
  if (report.quarantined > 0) {
    out.text(fmt::format("{} left out of the index; the log keeps them. 'cairn check' names what they affect.\n",
                         count_text(report.quarantined, "damaged place was", "damaged places were")));
  }
}

void print_repaired(Session& session, const RepairReport& report) {
  Output& out = session.out();
  for (const Damage& damage : report.damaged) {
    out.text("damaged: " + printable(damage.what) + "\n");
    for (const std::string& path : damage.affected) out.text("  affects  " + printable(path) + "\n");
  }
  out.report(fmt::format("Verified the store, in {}; {} repaired.\n", duration_text(session.seconds()),
                         count_text(report.blocks_repaired, "record was", "records were")));
  if (report.quarantined > 0) {
    out.text(fmt::format("{} quarantined: add the same files or put the same values again to heal what they affect.\n",
                         count_text(report.quarantined, "record is", "records are")));
  }
}

struct Options {
  bool index = false;
  std::string from;
};

Result<RepairReport> repair(Session& session, const Options& options) {
  if (options.index && !options.from.empty()) return wrong_usage("--index reads nothing but the log: leave out --from");
  CAIRN_TRY(const std::string path, session.store_path());
  if (options.index) return Store::rebuild_index(path, session.progress());
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(RepairReport report, options.from.empty() ? store.repair(session.progress())
                                                      : store.mirrors().repair(options.from, session.progress()));
  CAIRN_CHECK(store.close());
  return report;
}

Result<int> run_repair(Session& session, const Options& options) {
  CAIRN_TRY(const RepairReport report, repair(session, options));
  session.clear_progress();
  if (session.out().json()) {
    session.summary(to_json(report));
  } else if (options.index) {
    print_rebuilt(session, report);
  } else {
    print_repaired(session, report);
  }
  return report.quarantined > 0 || !report.damaged.empty() ? kExitDamage : kExitDone;
}

Run declare_repair(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.flag("--index", given->index, "Rebuild the index from the log alone");
  options.option("--from", "MIRROR", given->from, "Fetch from this mirror what cannot be mended here");
  return [given](Session& session) { return run_repair(session, *given); };
}

}  // namespace

constinit const Verb kRepair{.name = "repair",
                             .summary = "Quarantine what is damaged and mend what can be, or rebuild the index",
                             .examples =
                                 "  cairn repair                             then add what it names again\n"
                                 "  cairn repair --from cloud                what its mirror has\n"
                                 "  cairn repair --index\n",
                             .lines = true,
                             .declare = declare_repair};

}  // namespace cairn::cli
