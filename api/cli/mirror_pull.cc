// SPDX-License-Identifier: Apache-2.0
#include "api/cli/mirror_pull.h"

#include <fmt/format.h>

#include "api/cli/answers.h"
#include "api/cli/json_fields.h"
#include "api/cli/mirror_status.h"

namespace cairn::cli {
namespace {

std::string text_of(const MirrorPullReport& report) {
  if (report.rows > 0) {
    return fmt::format("{} read, {}, {}, {} and {} written", count_text(report.rows, "row", "rows"),
                       count_text(report.experiments, "experiment", "experiments"),
                       count_text(report.evaluations, "evaluation", "evaluations"),
                       count_text(report.results, "result", "results"),
                       count_text(report.metric_blocks, "block of metrics", "blocks of metrics"));
  }
  return fmt::format("{}: {}, {} in {}", count_text(report.names, "name", "names"),
                     count_text(report.records, "block or object", "blocks and objects"),
                     size_text(report.fetched_bytes), count_text(report.requests, "request", "requests"));
}

void print_notes(const char* what, const std::vector<std::string>& notes, std::uint64_t count) {
  for (const std::string& note : notes) print_note(std::string(what) + ": " + printable(note));
  if (count > notes.size()) print_note(fmt::format("{}: {} more", what, count - notes.size()));
}

}  // namespace

int show_mirror_pull(Session& session, const MirrorPullReport& report, const std::string& how) {
  session.clear_progress();
  print_notes("not the same", report.conflicts, report.conflict_count);
  print_notes("left out", report.left_out, report.left_out_count);
  const int exit = report.conflict_count + report.left_out_count == 0 ? kExitDone : kExitPartial;
  if (!session.out().json()) {
    session.out().report(fmt::format("{} {}, in {}\n", how, text_of(report), duration_text(session.seconds())));
    return exit;
  }
  session.summary({{"names", report.names},
                   {"records", report.records},
                   {"fetched_bytes", report.fetched_bytes},
                   {"requests", report.requests},
                   {"rows", report.rows},
                   {"experiments", report.experiments},
                   {"evaluations", report.evaluations},
                   {"results", report.results},
                   {"metric_blocks", report.metric_blocks},
                   {"conflict_count", report.conflict_count},
                   {"left_out_count", report.left_out_count},
                   {"conflicts", array_of_texts(report.conflicts)},
                   {"left_out", array_of_texts(report.left_out)}});
  return exit;
}

}  // namespace cairn::cli
