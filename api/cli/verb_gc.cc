// SPDX-License-Identifier: Apache-2.0
//
// cairn gc: gives back the space of what was removed.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string max_dead = "5%";
  GcOptions gc;
};

void print_report(Session& session, const GcReport& report, bool dry_run) {
  Output& out = session.out();
  for (const std::string& damaged : report.damaged) out.text("left alone: " + printable(damaged) + "\n");
  const std::string files = count_text(report.segments, "file", "files");
  if (dry_run) {
    out.text(fmt::format("{} dead; would remove {} of {}, and copy {} of that.\n", size_text(report.dead_bytes), files,
                         size_text(report.freed_bytes), size_text(report.moved_bytes)));
    return;
  }
  out.report(fmt::format("Removed {} of {} after copying {} of that; {} dead {} left; in {}.\n", files,
                         size_text(report.freed_bytes), size_text(report.moved_bytes), size_text(report.dead_bytes),
                         report.dead_bytes == 0 ? "are" : "may be", duration_text(session.seconds())));
}

Result<int> run_gc(Session& session, Options options) {
  CAIRN_TRY(options.gc.max_dead, parse_share("--max-dead", options.max_dead));
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(const GcReport report, store.gc(options.gc, session.progress()));
  CAIRN_CHECK(store.close());
  session.clear_progress();
  if (session.out().json()) {
    session.summary(to_json(report));
  } else {
    print_report(session, report, options.gc.dry_run);
  }
  return report.damaged.empty() ? kExitDone : kExitDamage;
}

Run declare_gc(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.option("--max-dead", "PERCENT", given->max_dead, "How much of the log may stay dead");
  options.flag("--dry-run", given->gc.dry_run, "Only say what would be done");
  return [given](Session& session) { return run_gc(session, *given); };
}

}  // namespace

constinit const Verb kGc{.name = "gc",
                         .summary = "Give back the space of what was removed",
                         .examples =
                             "  cairn gc\n"
                             "  cairn gc --max-dead 0%                   all of it, whatever has to be copied\n"
                             "  cairn gc --dry-run\n",
                         .lines = true,
                         .declare = declare_gc};

}  // namespace cairn::cli
