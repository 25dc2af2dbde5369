// SPDX-License-Identifier: Apache-2.0
//
// cairn optimize: encodes what is there again, with more effort.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string name;
  std::optional<std::size_t> level;
  std::string base = "auto";
  bool dry_run = false;
};

Result<int> run_optimize(Session& session, const Options& options) {
  OptimizeOptions wanted{.name = options.name, .dry_run = options.dry_run};
  if (options.base == "none") {
    wanted.base = OptimizeOptions::Base::none;
  } else if (options.base != "auto") {
    return Error{.code = ErrorCode::invalid_argument, .message = "--base is auto or none"};
  }
  if (options.level) wanted.level = *options.level > 19 ? 20 : static_cast<int>(*options.level);
  CAIRN_TRY(Store store, session.open_store(options.dry_run ? Access::read_only : Access::read_write));
  CAIRN_TRY(const OptimizeReport report, store.optimize(wanted, session.progress()));
  CAIRN_CHECK(store.close());
  session.clear_progress();
  Output& out = session.out();
  if (out.json()) {
    session.summary(to_json(report));
    return report.damaged.empty() ? kExitDone : kExitDamage;
  }
  for (const std::string& id : report.damaged) out.text("left alone: block " + id + " is damaged\n");
  std::string blocks = count_text(report.rewritten_blocks, "block", "blocks");
  if (report.delta_blocks > 0) blocks += fmt::format(" ({} as differences)", count_text(report.delta_blocks));
  const std::string sizes = fmt::format("{} of {}", size_text(report.after_bytes), size_text(report.before_bytes));
  if (options.dry_run) {
    out.text(fmt::format("Would write {} again: {} would be left.\n", blocks, sizes));
  } else {
    out.report(fmt::format(
        "Wrote {} again: {} {} left{}; in {}.\n", blocks, sizes, report.after_bytes == 0 ? "are" : "is",
        report.rewritten_blocks > 0 ? ", and 'cairn gc' gives back the rest" : "", duration_text(session.seconds())));
  }
  return report.damaged.empty() ? kExitDone : kExitDamage;
}

Run declare_optimize(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("NAME", given->name, "NAME or NAME@VERSION; everything without it", Need::optional);
  options.option("--level", "N", given->level, "Of zstd, 1 to 19 (12)");
  options.option("--base", "auto|none", given->base, "Store blocks as differences from newer versions, or none (auto)");
  options.flag("--dry-run", given->dry_run, "Only say what would be done");
  return [given](Session& session) { return run_optimize(session, *given); };
}

}  // namespace

constinit const Verb kOptimize{.name = "optimize",
                               .summary = "Compress what is there again, with more effort",
                               .examples =
                                   "  cairn optimize\n"
                                   "  cairn optimize llama-sft --level 19\n"
                                   "  cairn optimize llama-sft --base none\n"
                                   "  cairn optimize --dry-run\n",
                               .lines = true,
                               .declare = declare_optimize};

}  // namespace cairn::cli
