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

Run declare_get(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("NAME", options->ref, "NAME for its latest version, or NAME@VERSION")->required();
  app.add_option("--to", options->restore.to, "The folder to restore into; nothing is written outside it")
      ->type_name("DIR")
      ->required();
  one_each(app.add_option("--only", options->restore.only, "Only paths that match, such as '*/config.json' or '**.npy'")
               ->type_name("GLOB"));
  app.add_flag("--overwrite", options->restore.overwrite, "Replace files that exist");
  return [options](Session& session) { return run_get(session, *options); };
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
