// SPDX-License-Identifier: Apache-2.0
//
// cairn clone: a second store like this one, as it is now, beside whoever writes to it.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string to;
  CloneOptions clone;
};

Result<int> run_clone(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const CloneReport report, store.clone(options.to, options.clone, session.progress()));
  session.clear_progress();
  if (session.out().json()) {
    session.summary(to_json(report));
    return kExitDone;
  }
  Output& out = session.out();
  out.report(fmt::format("Cloned to {}: {}, {} shared with the store, {} copied, in {}\n", out.name(options.to),
                         count_text(report.segments, "file of the log", "files of the log"),
                         size_text(report.linked_bytes), size_text(report.copied_bytes),
                         duration_text(session.seconds())));
  if (!report.index) print_note("the store's index is missing or in doubt: whoever opens the clone builds one");
  return kExitDone;
}

Run declare_clone(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.option("--to", "DIR", given->to, "The folder of the clone, missing or empty, outside of the store",
                 Need::required);
  options.flag("--copy", given->clone.copy, "Share no file with the store: a second copy on the disk");
  return [given](Session& session) { return run_clone(session, *given); };
}

}  // namespace

constinit const Verb kClone{.name = "clone",
                            .summary = "Make a second store like this one, beside whoever writes",
                            .examples =
                                "  cairn clone --to /data/models-monday     moments: files that are full are shared\n"
                                "  cairn clone --to /mnt/other/models       on another file system they are copied\n",
                            .lines = true,
                            .declare = declare_clone};

}  // namespace cairn::cli
