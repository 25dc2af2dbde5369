// SPDX-License-Identifier: Apache-2.0
//
// cairn rm and cairn forget: versions go, by name or by policy.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

Result<int> finish(Session& session, const ForgetReport& report, bool dry_run) {
  Output& out = session.out();
  if (out.json()) {
    session.summary(to_json(report));
    return kExitDone;
  }
  for (const RefInfo& ref : report.removed) out.text(fmt::format("{}@{}\n", out.name(ref.name), ref.version));
  out.report(fmt::format("{} {}, {} kept\n", dry_run ? "Would remove" : "Removed",
                         count_text(report.removed.size(), "version", "versions"), count_text(report.kept)));
  return kExitDone;
}

struct RmOptions {
  std::string ref;
  bool dry_run = false;
};

Result<int> run_rm(Session& session, const RmOptions& options) {
  if (!options.dry_run) CAIRN_CHECK(session.confirm("remove " + options.ref));
  CAIRN_TRY(Store store, session.open_store(options.dry_run ? Access::read_only : Access::read_write));
  CAIRN_TRY(const ForgetReport report, store.archive().remove(options.ref, options.dry_run));
  CAIRN_CHECK(store.close());
  return finish(session, report, options.dry_run);
}

Run declare_rm(VerbOptions& options) {
  const auto given = std::make_shared<RmOptions>();
  options.argument("NAME", given->ref, "NAME for all its versions, or NAME@VERSION");
  options.flag("--dry-run", given->dry_run, "Say what would be removed, and remove nothing");
  return [given](Session& session) { return run_rm(session, *given); };
}

struct ForgetOptions {
  std::string name, keep_best, keep_within;
  std::optional<std::size_t> keep_last, keep_every;
  bool dry_run = false;
};

Error wrong(const std::string& option, const std::string& value, const char* wanted) {
  return Error{.code = ErrorCode::invalid_argument,
               .message = option + " '" + printable(value) + "' is no " + std::string(wanted)};
}

// METRIC:min, METRIC:max, or either with a count behind: METRIC:min:3.
Result<KeepBest> parse_best(const std::string& text) {
  const Error refused = wrong("--keep-best", text, "METRIC:min or METRIC:max, with or without :COUNT");
  std::string rest = text;
  KeepBest best;
  if (const std::size_t colon = rest.rfind(':'); colon != std::string::npos && colon + 1 < rest.size() &&
                                                 rest.find_first_not_of("0123456789", colon + 1) == std::string::npos) {
    CAIRN_TRY(best.count, parse_size(rest.substr(colon + 1)));
    rest.resize(colon);
  }
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string::npos || colon == 0) return refused;
  best.metric = rest.substr(0, colon);
  const std::string which = rest.substr(colon + 1);
  if (which != "min" && which != "max") return refused;
  best.best = which == "min" ? Best::lowest : Best::highest;
  return best;
}

// "90s", "30m", "12h", "30d", "8w".
Result<std::chrono::seconds> parse_duration(const std::string& text) {
  const Error refused = wrong("--keep-within", text, "time such as 12h, 30d or 8w");
  constexpr std::pair<char, std::uint64_t> kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 604'800}};
  if (text.size() < 2 || text.find_first_not_of("0123456789") != text.size() - 1) return refused;
  for (const auto& [unit, seconds] : kUnits) {
    if (text.back() != unit) continue;
    const auto count = parse_size(text.substr(0, text.size() - 1));
    if (!count.ok() || *count > INT64_MAX / seconds) return refused;
    return std::chrono::seconds(*count * seconds);
  }
  return refused;
}

Result<int> run_forget(Session& session, const ForgetOptions& options) {
  if (!options.keep_last) {
    return Error{.code = ErrorCode::invalid_argument, .message = "how many versions stay? Give --keep-last N"};
  }
  RetentionPolicy policy{.keep_last = *options.keep_last, .keep_every = options.keep_every.value_or(0)};
  if (!options.keep_best.empty()) {
    CAIRN_TRY(policy.keep_best, parse_best(options.keep_best));
  }
  if (!options.keep_within.empty()) {
    CAIRN_TRY(policy.keep_within, parse_duration(options.keep_within));
  }
  if (!options.dry_run) CAIRN_CHECK(session.confirm("forget old versions of " + options.name));
  CAIRN_TRY(Store store, session.open_store(options.dry_run ? Access::read_only : Access::read_write));
  CAIRN_TRY(const ForgetReport report, store.archive().forget(options.name, policy, options.dry_run));
  CAIRN_CHECK(store.close());
  return finish(session, report, options.dry_run);
}

Run declare_forget(VerbOptions& options) {
  const auto given = std::make_shared<ForgetOptions>();
  options.argument("NAME", given->name, "The name whose versions are looked at");
  options.option("--keep-last", "N", given->keep_last, "Keep the N highest versions; 0 keeps all");
  options.option("--keep-every", "N", given->keep_every, "Keep versions whose number N divides");
  options.option("--keep-best", "METRIC:min|max", given->keep_best,
                 "Keep the version whose tag METRIC is the lowest or highest number; METRIC:min:3 keeps three");
  options.option("--keep-within", "TIME", given->keep_within,
                 "Keep versions created at most so long before the newest, such as 12h, 30d or 8w");
  options.flag("--dry-run", given->dry_run, "Say what would be removed, and remove nothing");
  return [given](Session& session) { return run_forget(session, *given); };
}

}  // namespace

constinit const Verb kRm{.name = "rm",
                         .summary = "Remove a version, or all versions of a name",
                         .examples =
                             "  cairn rm llama-sft@3 --dry-run\n"
                             "  cairn rm llama-sft --yes\n",
                         .lines = false,
                         .declare = declare_rm};

constinit const Verb kForget{
    .name = "forget",
    .summary = "Remove the versions of a name that a policy does not keep",
    .examples =
        "  cairn forget checkpoints/run7 --keep-last 5 --keep-every 100 --keep-best loss:min --dry-run\n"
        "  cairn forget llama-sft --keep-last 3 --keep-within 30d --yes\n"
        "  cairn tag llama-sft@3 pinned=yes          what no policy removes\n",
    .lines = false,
    .declare = declare_forget};

}  // namespace cairn::cli
