// SPDX-License-Identifier: Apache-2.0
//
// cairn check: verifies the store and names what is damaged. Changes nothing.
#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string subset;
  CheckOptions check;
};

// "N/T", share N of T.
Status parse_subset(const std::string& text, CheckOptions& check) {
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, check.subset);
  if (first.ec == std::errc{} && first.ptr != end && *first.ptr == '/') {
    const auto second = std::from_chars(first.ptr + 1, end, check.of);
    if (second.ec == std::errc{} && second.ptr == end && check.subset >= 1 && check.subset <= check.of) return {};
  }
  return Error{.code = ErrorCode::invalid_argument,
               .message = "--read-data-subset '" + printable(text) + "' is not N/T with N from 1 to T"};
}

void print_report(Session& session, const CheckReport& report) {
  Output& out = session.out();
  for (const Damage& damage : report.damaged) {
    out.text("damaged: " + printable(damage.what) + "\n");
    if (!damage.id.empty()) out.text("  object  " + damage.id + "\n");
    for (const std::string& path : damage.affected) out.text("  affects  " + printable(path) + "\n");
  }
  const std::string read = report.bytes_read == 0 ? ""
                                                  : fmt::format(", {} of data read at {}", size_text(report.bytes_read),
                                                                rate_text(report.bytes_read, session.seconds()));
  const std::string checked =
      fmt::format("{} and {} checked{}, in {}", count_text(report.blocks_checked, "block", "blocks"),
                  count_text(report.objects_checked, "object", "objects"), read, duration_text(session.seconds()));
  if (report.damaged.empty()) {
    out.report("No damage: " + checked + ".\n");
  } else {
    out.text(fmt::format("{}: {}.\n", count_text(report.damaged.size(), "damaged place", "damaged places"), checked));
  }
}

Result<int> run_check(Session& session, Options options) {
  if (!options.subset.empty()) {
    if (options.check.read_data) {
      return Error{.code = ErrorCode::invalid_argument,
                   .message = "--read-data and --read-data-subset exclude each other"};
    }
    CAIRN_CHECK(parse_subset(options.subset, options.check));
    options.check.read_data = true;
  }
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const CheckReport report, store.check(options.check, session.progress()));
  session.clear_progress();
  if (session.out().json()) {
    session.summary(to_json(report));
  } else {
    print_report(session, report);
  }
  return report.damaged.empty() ? kExitDone : kExitDamage;
}

Run declare_check(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.flag("--read-data", given->check.read_data, "Read and verify the content of every block, too");
  options.option("--read-data-subset", "N/T", given->subset, "The same for share N of T of the blocks");
  return [given](Session& session) { return run_check(session, *given); };
}

}  // namespace

constinit const Verb kCheck{.name = "check",
                            .summary = "Verify the store; exit code 4 and a list when something is damaged",
                            .examples =
                                "  cairn check\n"
                                "  cairn check --read-data\n"
                                "  cairn check --read-data-subset 1/7       a seventh, another each day\n",
                            .lines = true,
                            .declare = declare_check};

}  // namespace cairn::cli
