// SPDX-License-Identifier: Apache-2.0
//
// cairn mirror: remote views of a store, in S3-compatible storage and in PostgreSQL.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "api/cli/answers.h"
#include "api/cli/json_fields.h"
#include "api/cli/mirror_follow.h"
#include "api/cli/mirror_pull.h"
#include "api/cli/mirror_status.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string action;
  std::vector<std::string> arguments;
  MirrorPlace place;
  std::string from;
  std::string limit;
  std::optional<std::size_t> idle;
  std::string max_dead, grace;
  bool follow = false, read_data = false, dry_run = false;
};

Json fields_of(const MirrorInfo& mirror) {
  return {{"name", mirror.name},
          {"url", printable(mirror.place.url)},
          {"endpoint", printable(mirror.place.endpoint)},
          {"region", printable(mirror.place.region)},
          {"ca_file", printable(mirror.place.ca_file)}};
}

Result<int> add(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  MirrorInfo mirror{.name = options.arguments[0], .place = options.place};
  mirror.place.url = options.arguments[1];
  CAIRN_CHECK(store.mirrors().add(mirror.name, mirror.place));
  if (session.out().json()) session.summary(fields_of(mirror));
  return kExitDone;
}

Result<int> remove(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const bool was_there, store.mirrors().remove(options.arguments[0]));
  if (!was_there) {
    return Error{.code = ErrorCode::not_found, .message = "no mirror '" + printable(options.arguments[0]) + "'"};
  }
  if (session.out().json()) session.summary(Json{{"removed", 1}});
  return kExitDone;
}

Result<int> list(Session& session, const Options&) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const auto mirrors, store.mirrors().list());
  Listing rows({{"NAME"}, {"URL"}, {"ENDPOINT"}, {"REGION"}});
  for (const MirrorInfo& mirror : mirrors) {
    rows.add(fields_of(mirror), {mirror.name, session.out().name(mirror.place.url),
                                 session.out().name(mirror.place.endpoint), session.out().name(mirror.place.region)});
  }
  rows.print(session.out());
  return kExitDone;
}

Result<int> status(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const MirrorStatus found, store.mirrors().status(options.arguments[0]));
  show_mirror_status(session, found, fields_of(found.mirror));
  return kExitDone;
}

Result<int> push(Session& session, const Options& options) {
  if (options.follow) {
    return follow_with_mirror(session, {.mirror = options.arguments[0], .limit = options.limit, .idle = options.idle});
  }
  if (!options.limit.empty() || options.idle) return wrong_usage("--limit and --idle go with --follow");
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const MirrorPushReport report, store.mirrors().push(options.arguments[0], session.progress()));
  session.clear_progress();
  for (const std::string& wrong : report.left_out) print_note("left out: " + printable(wrong));
  if (session.out().json()) {
    session.summary({{"statements", report.statements},
                     {"records", report.records},
                     {"content_bytes", report.content_bytes},
                     {"rows", report.rows},
                     {"sent_bytes", report.sent_bytes},
                     {"requests", report.requests},
                     {"left_out", array_of_texts(report.left_out)}});
    return report.left_out.empty() ? kExitDone : kExitPartial;
  }
  const std::string what = report.rows > 0 ? count_text(report.rows, "row", "rows")
                                           : count_text(report.records, "block or object", "blocks and objects") +
                                                 " that the mirror did not have";
  session.out().report(
      report.requests == 0
          ? std::string("Nothing new to mirror\n")
          : fmt::format("Mirrored {}: {}, {} sent in {}, in {}\n",
                        count_text(report.statements, "name, object or result", "names, objects and results"), what,
                        size_text(report.sent_bytes), count_text(report.requests, "request", "requests"),
                        duration_text(session.seconds())));
  return report.left_out.empty() ? kExitDone : kExitPartial;
}

Result<int> pull(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  const std::vector<std::string> names(options.arguments.begin() + 1, options.arguments.end());
  CAIRN_TRY(const MirrorPullReport report,
            store.mirrors().pull(options.arguments[0], names, options.from, session.progress()));
  CAIRN_CHECK(store.close());
  session.clear_progress();
  return show_mirror_pull(session, report, "Pulled");
}

Json rows_of(const MirrorVerifyReport& report) {
  Json rows = Json::object();
  for (const auto& [table, count] : report.rows) rows[table] = count;
  return rows;
}

Result<int> verify(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const MirrorVerifyReport report,
            store.mirrors().verify(options.arguments[0], options.read_data, session.progress()));
  session.clear_progress();
  Output& out = session.out();
  if (out.json()) {
    session.summary({{"stores", report.stores},
                     {"statements", report.statements},
                     {"packs", report.packs},
                     {"records", report.records},
                     {"pack_bytes", report.pack_bytes},
                     {"bytes_read", report.bytes_read},
                     {"rows", rows_of(report)},
                     {"problems", array_of_texts(report.problems)}});
  } else {
    for (const std::string& problem : report.problems) out.report(printable(problem) + "\n");
    std::uint64_t rows = 0;
    for (const auto& [table, count] : report.rows) rows += count;
    if (!report.rows.empty()) {
      out.report(fmt::format("{}: {} compared in {}\n", report.problems.empty() ? "Nothing differs" : "Different",
                             count_text(rows, "row", "rows"), duration_text(session.seconds())));
      return report.problems.empty() ? kExitDone : kExitDamage;
    }
    out.report(fmt::format(
        "{}: {}, {} of {}, {} read in {}\n", report.problems.empty() ? "Nothing wrong" : "Damaged",
        count_text(report.packs, "pack", "packs"), count_text(report.statements, "statement", "statements"),
        count_text(report.stores, "store", "stores"), size_text(report.bytes_read), duration_text(session.seconds())));
    if (!report.problems.empty()) {
      print_note(
          "'mirror gc' heals what has another copy in the mirror, and the 'mirror push' of a store that follows "
          "puts the rest again");
    }
  }
  return report.problems.empty() ? kExitDone : kExitDamage;
}

Result<int> gc(Session& session, const Options& options) {
  MirrorGcOptions how{.read_data = options.read_data, .dry_run = options.dry_run};
  const std::string grace = options.grace.empty() ? "24h" : options.grace;
  if (!options.max_dead.empty()) {
    CAIRN_TRY(how.max_dead, parse_share("--max-dead", options.max_dead));
  }
  CAIRN_TRY(how.grace, parse_duration("--grace", grace));
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const MirrorGcReport report, store.mirrors().gc(options.arguments[0], how, session.progress()));
  session.clear_progress();
  Output& out = session.out();
  if (out.json()) {
    session.summary({{"stores", report.stores},
                     {"packs", report.packs},
                     {"pack_bytes", report.pack_bytes},
                     {"live_bytes", report.live_bytes},
                     {"noted_packs", report.noted_packs},
                     {"noted_bytes", report.noted_bytes},
                     {"copied_records", report.copied_records},
                     {"copied_bytes", report.copied_bytes},
                     {"removed_packs", report.removed_packs},
                     {"removed_bytes", report.removed_bytes},
                     {"waits", report.waits},
                     {"dry_run", options.dry_run},
                     {"lost", array_of_texts(report.lost)}});
    return report.lost.empty() ? kExitDone : kExitDamage;
  }
  for (const std::string& lost : report.lost) out.text(printable(lost) + "\n");
  const std::string noted =
      fmt::format("{} in {}", size_text(report.noted_bytes), count_text(report.noted_packs, "pack", "packs"));
  if (options.dry_run) {
    out.text(fmt::format("Of {}, {} are needed, or were put less than {} ago; would note {} to be removed\n",
                         size_text(report.pack_bytes), size_text(report.live_bytes), grace, noted));
  } else {
    out.report(fmt::format("Removed {} in {}; noted {} to be removed in {}, after copying {} of that; in {}\n",
                           size_text(report.removed_bytes), count_text(report.removed_packs, "pack", "packs"), noted,
                           grace, size_text(report.copied_bytes), duration_text(session.seconds())));
  }
  if (!report.lost.empty()) print_note("the next 'mirror push' of a store that has what is lost puts it again");
  return report.lost.empty() ? kExitDone : kExitDamage;
}

Result<int> restore(Session& session, const Options& options) {
  CAIRN_TRY(const std::string path, session.store_path());
  MirrorPlace place = options.place;
  place.url = options.arguments[0];
  CAIRN_TRY(const MirrorPullReport report, Mirrors::restore(path, place, options.from, session.progress()));
  session.clear_progress();
  const int exit = show_mirror_pull(session, report, "Restored");
  print_note("the store has an id of its own, and no mirror yet: see 'mirror add'");
  return exit;
}

// An option that does nothing here may be meant for something else.
Status check_options(const Options& options) {
  struct Given {
    bool given;
    const char* option;
    std::string_view actions;
  };
  const std::array all{Given{!options.place.endpoint.empty(), "--endpoint", "add, restore"},
                       Given{!options.place.region.empty(), "--region", "add, restore"},
                       Given{!options.place.ca_file.empty(), "--ca-file", "add, restore"},
                       Given{!options.from.empty(), "--from", "pull, restore"},
                       Given{options.follow, "--follow", "push"},
                       Given{!options.limit.empty(), "--limit", "push"},
                       Given{options.idle.has_value(), "--idle", "push"},
                       Given{options.read_data, "--read-data", "verify, gc"},
                       Given{!options.max_dead.empty(), "--max-dead", "gc"},
                       Given{!options.grace.empty(), "--grace", "gc"},
                       Given{options.dry_run, "--dry-run", "gc"}};
  for (const Given& one : all) {
    if (one.given && one.actions.find(options.action) == std::string_view::npos) {
      return wrong_usage(std::string(one.option) + " is an option of mirror " + std::string(one.actions) + ", not of " +
                         options.action);
    }
  }
  return {};
}

struct Action {
  const char* name;
  const char* arguments;
  std::size_t least, most;
  Result<int> (*run)(Session& session, const Options& options);
};
constexpr std::size_t kAny = ~std::size_t{0};
constexpr std::array kActions{Action{"add", "NAME and s3://BUCKET/PREFIX or postgresql://HOST/DATABASE", 2, 2, add},
                              Action{"rm", "NAME", 1, 1, remove},
                              Action{"list", "nothing", 0, 0, list},
                              Action{"status", "NAME", 1, 1, status},
                              Action{"push", "NAME", 1, 1, push},
                              Action{"pull", "NAME and REF…, of a database experiments or nothing", 1, kAny, pull},
                              Action{"verify", "NAME", 1, 1, verify},
                              Action{"gc", "NAME", 1, 1, gc},
                              Action{"restore", "s3://BUCKET/PREFIX", 1, 1, restore}};

Result<int> run_mirror(Session& session, const Options& options) {
  const auto action =
      std::ranges::find(kActions, options.action, [](const Action& one) { return std::string(one.name); });
  if (action == kActions.end()) {
    return wrong_usage("mirror knows add, rm, list, status, push, pull, verify, gc and restore, not '" +
                       printable(options.action) + "'");
  }
  if (options.arguments.size() < action->least || options.arguments.size() > action->most) {
    return wrong_usage(options.action + " takes " + action->arguments);
  }
  CAIRN_CHECK(check_options(options));
  return action->run(session, options);
}

Run declare_mirror(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("add|rm|list|status|push|pull|verify|gc|restore", given->action, "What to do");
  options.arguments("NAME", given->arguments, "Which mirror; then its URL (add) or what to pull", Need::optional);
  options.option("--endpoint", "URL", given->place.endpoint, "add, restore: the server, when it is not Amazon's own");
  options.option("--region", "NAME", given->place.region, "add, restore: the bucket's region");
  options.option("--ca-file", "FILE", given->place.ca_file,
                 "add, restore: certificates to trust instead of the system's; of PostgreSQL sslrootcert");
  options.option("--from", "STORE", given->from, "pull, restore: of the mirror's stores, the one with this id");
  options.flag("--follow", given->follow, "push: goes on with whatever is written, until it is stopped");
  options.option("--limit", "SIZE", given->limit, "push --follow: bytes a second that are sent at most, such as 10MiB");
  options.option("--idle", "SECONDS", given->idle, "push --follow: ends after so long without anything new");
  options.flag("--read-data", given->read_data, "verify, gc: read every byte and compare it");
  options.option("--max-dead", "PERCENT", given->max_dead, "gc: how much of a pack may stay that nothing needs");
  options.option(
      "--grace", "TIME", given->grace,
      "gc: what nothing needs is noted so long after it was put, and removed so long after that (1h and more: "
      "24h, 7d); 0: at once, while nobody else uses the mirror");
  options.flag("--dry-run", given->dry_run, "gc: only say what would be noted");
  return [given](Session& session) { return run_mirror(session, *given); };
}

}  // namespace

constinit const Verb kMirror{.name = "mirror",
                             .summary = "Keep a copy in S3-compatible storage, or rows in PostgreSQL",
                             .examples =
                                 "  cairn mirror add cloud s3://models/team --region eu-central-1\n"
                                 "  cairn mirror push cloud                 again whenever there is something new\n"
                                 "  cairn mirror push cloud --follow        beside a training process, as it writes\n"
                                 "  cairn mirror pull cloud llama-sft@3     one model, without the rest\n"
                                 "  cairn mirror add results postgresql://db.example/results\n"
                                 "  cairn mirror pull results               what all stores have there\n"
                                 "  cairn mirror gc cloud                   once a day: what nothing needs goes\n"
                                 "  cairn --store restored mirror restore s3://models/team --region eu-central-1\n",
                             .lines = true,
                             .declare = declare_mirror};

}  // namespace cairn::cli
