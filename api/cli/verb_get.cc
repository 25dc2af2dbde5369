// SPDX-License-Identifier: Apache-2.0
//
// cairn get: restores a version of a name into a folder.
#include <fmt/format.h>

#include <memory>

#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string ref;
  RestoreOptions restore;
};

Result<int> run_get(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const RestoreReport report, store.archive().restore(options.ref, options.restore, session.progress()));
  session.clear_progress();
  if (session.out().json()) {
    session.summary({{"files", report.files}, {"bytes", report.bytes}, {"damaged", report.damaged}});
  } else {
    Output& out = session.out();
    out.report(fmt::format("Restored {} to {}: {}, {}, in {} ({})\n", out.name(options.ref),
                           out.name(options.restore.to), count_text(report.files, "file", "files"),
                           size_text(report.bytes), duration_text(session.seconds()),
                           rate_text(report.bytes, session.seconds())));
    if (report.damaged > 0) {
      out.text(fmt::format("{} left out: the store lost or spoiled part of what they held.\n",
                           count_text(report.damaged, "file was", "files were")));
    }
  }
  return report.damaged > 0 ? kExitDamage : kExitDone;
}

Run declare_get(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("NAME", given->ref, "NAME for its latest version, or NAME@VERSION");
  options.option("--to", "DIR", given->restore.to, "The folder to restore into; nothing is written outside it",
                 Need::required);
  options.option("--only", "GLOB", given->restore.only, "Only paths that match, such as '*/config.json' or '**.npy'");
  options.flag("--overwrite", given->restore.overwrite, "Replace files that exist");
  return [given](Session& session) { return run_get(session, *given); };
}

}  // namespace

constinit const Verb kGet{.name = "get",
                          .summary = "Restore a version bit for bit",
                          .examples =
                              "  cairn get llama-sft --to restored\n"
                              "  cairn get llama-sft@3 --to restored --only '**/*.json'\n",
                          .lines = true,
                          .declare = declare_get};

}  // namespace cairn::cli
