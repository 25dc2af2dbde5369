// SPDX-License-Identifier: Apache-2.0
//
// cairn results: small values under keys, listed, read, put, removed, evicted, exported and imported.
#include <fmt/format.h>

#include <memory>

#include "api/cli/answers.h"
#include "api/cli/input_file.h"
#include "api/cli/json_fields.h"
#include "api/cli/new_file.h"
#include "api/cli/result_transfer.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kSecondsMax = 9'000'000'000;

struct Options {
  std::string action, key;
  std::string name_space, experiment, serializer = "bytes", file = "-", out;
  std::optional<std::size_t> limit, ttl, cost, budget, low_water;
  bool matching = false;
};

Error no_result(const std::string& key) {
  return Error{.code = ErrorCode::not_found, .message = "no result '" + printable(key) + "'"};
}

Result<int> list(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Results results = store.results(options.name_space);
  Listing rows({{"KEY"},
                {"SERIALIZER"},
                {"SIZE", Table::Align::right},
                {"READ", Table::Align::right},
                {"LEFT", Table::Align::right},
                {"CREATED"}});
  const std::string glob = options.key.empty() ? "*" : options.key;
  const auto fetch = [&](const std::string& cursor, std::size_t count) { return results.list(cursor, count, glob); };
  const auto visit = [&](const ResultInfo& info) -> Status {
    rows.add(to_json(info),
             {session.out().name(info.key), session.out().name(info.serializer), size_text(info.bytes),
              count_text(info.access_count),
              info.time_left ? duration_text(std::chrono::duration<double>(*info.time_left).count()) : "-",
              local_time_text(info.created_ns)});
    return {};
  };
  CAIRN_CHECK(walk_pages(session, options.limit, &ResultPage::results, fetch, visit));
  rows.print(session.out());
  return kExitDone;
}

Result<int> get(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Results results = store.results(options.name_space);
  CAIRN_TRY(const auto value, results.get(options.key));
  if (!value) return no_result(options.key);
  session.out().write(value->bytes);
  return kExitDone;
}

Result<int> info(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const auto found, store.results(options.name_space).info(options.key));
  if (!found) return no_result(options.key);
  print_fields(session.out(), to_json(*found));
  return kExitDone;
}

Result<int> put(Session& session, const Options& options) {
  InputFile in([&] { return session.check_stop(); });
  CAIRN_CHECK(in.open(options.file));
  // One byte more than a value has at most: what is larger is refused by the store.
  CAIRN_TRY(const std::string text, in.read((std::size_t{1} << 20) + 1));
  const auto bytes = std::as_bytes(std::span(text));
  ResultOptions how{.experiment = options.experiment};
  if (options.ttl) {
    if (*options.ttl == 0 || *options.ttl > kSecondsMax) return wrong_usage("--ttl is from 1 to 9000000000 seconds");
    how.ttl = std::chrono::seconds(*options.ttl);
  }
  if (options.cost) {
    if (*options.cost == 0 || *options.cost > kSecondsMax) return wrong_usage("--cost is from 1 to 9000000000 seconds");
    how.cost = std::chrono::seconds(*options.cost);
  }
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  Results results = store.results(options.name_space);
  CAIRN_TRY(const std::uint64_t version,
            results.put(options.key, {.serializer = options.serializer, .bytes = {bytes.begin(), bytes.end()}}, how));
  CAIRN_CHECK(store.close());
  if (session.out().json()) session.summary(Json{{"key", options.key}, {"version", version}});
  return kExitDone;
}

Result<int> remove(Session& session, const Options& options) {
  const bool many = options.matching || !options.experiment.empty();
  if (!options.experiment.empty() && (options.matching || !options.key.empty())) {
    return wrong_usage("rm takes a KEY, or --experiment");
  }
  if (many) {
    const std::string what = options.matching ? "that match '" + options.key + "'" : "of " + options.experiment;
    CAIRN_CHECK(session.confirm("remove the results " + what));
  }
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  Results results = store.results(options.name_space);
  std::uint64_t removed = 0;
  if (options.matching) {
    CAIRN_TRY(removed, results.remove_matching(options.key));
  } else if (many) {
    CAIRN_TRY(removed, results.remove_experiment(options.experiment));
  } else {
    CAIRN_TRY(const bool was_there, results.remove(options.key));
    if (!was_there) return no_result(options.key);
    removed = 1;
  }
  CAIRN_CHECK(store.close());
  print_removed(session, removed, "result", "results");
  return kExitDone;
}

Result<int> evict(Session& session, const Options& options) {
  if (!options.budget) return wrong_usage("evict needs a --budget");
  if (!options.key.empty()) return wrong_usage("evict takes no KEY: it is for all results that have a cost");
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(const EvictReport report,
            store.results().evict({.budget_bytes = *options.budget, .low_water_bytes = options.low_water}));
  CAIRN_CHECK(store.close());
  session.summary(Json{{"evicted", report.evicted}, {"evicted_bytes", report.evicted_bytes}, {"bytes", report.bytes}});
  if (!session.out().json()) {
    session.out().report("Evicted " + count_text(report.evicted, "result", "results") + " of " +
                         size_text(report.evicted_bytes) + "; " + size_text(report.bytes) + " are left\n");
  }
  return kExitDone;
}

Result<int> export_to(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  const std::string glob = options.key.empty() ? "*" : options.key;
  if (options.out.empty() || options.out == "-") {
    const auto print = [&](std::string_view text) -> Status {
      session.out().text(text);
      return session.check_stop();
    };
    CAIRN_TRY(const std::uint64_t count, export_results(session, store, options.name_space, glob, print));
    static_cast<void>(count);
    return kExitDone;
  }
  NewFile file(options.out);
  CAIRN_CHECK(file.open());
  const auto save = [&](std::string_view text) { return file.write(text); };
  CAIRN_TRY(const std::uint64_t count, export_results(session, store, options.name_space, glob, save));
  CAIRN_CHECK(file.commit());
  session.summary(Json{{"results", count}, {"file", options.out}});
  if (!session.out().json()) session.out().report("Exported " + count_text(count, "result", "results") + "\n");
  return kExitDone;
}

Result<int> import_from(Session& session, const Options& options) {
  InputFile in([&] { return session.check_stop(); });
  CAIRN_CHECK(in.open(options.key));
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(const std::uint64_t count, import_results(store, in, options.name_space));
  CAIRN_CHECK(store.close());
  session.summary(Json{{"results", count}});
  if (!session.out().json()) session.out().report("Imported " + count_text(count, "result", "results") + "\n");
  return kExitDone;
}

Result<int> run_results(Session& session, const Options& options) {
  if (options.action == "import") {
    return options.key.empty() ? wrong_usage("import needs a FILE") : import_from(session, options);
  }
  if (options.action == "export") return export_to(session, options);
  if (options.action == "evict") return evict(session, options);
  const bool needs_key = options.action != "list" && !(options.action == "rm" && !options.experiment.empty());
  if (needs_key && options.key.empty()) return wrong_usage(options.action + " needs a KEY");
  if (options.action == "list") return list(session, options);
  if (options.action == "get") return get(session, options);
  if (options.action == "info") return info(session, options);
  if (options.action == "put") return put(session, options);
  if (options.action == "rm") return remove(session, options);
  return wrong_usage("results knows list, get, info, put, rm, evict, export and import, not '" +
                     printable(options.action) + "'");
}

Run declare_results(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("list|get|info|put|rm|evict|export|import", given->action, "What to do");
  options.argument("KEY", given->key, "Whose value; list, export: a glob (* and ?); import: a FILE, or '-'",
                   Need::optional);
  options.option("--namespace", "NAME", given->name_space,
                 "The namespace of the keys; without it, the one without a name; import: those of the lines");
  options.option("--file", "FILE", given->file, "put: where the value is; '-' is standard input");
  options.option("--serializer", "NAME", given->serializer, "put: how the value is read: bytes or json");
  options.option("--ttl", "SECONDS", given->ttl, "put: the store's time after which it is gone");
  options.option("--cost", "SECONDS", given->cost, "put: what computing it took; without it, evict never removes it");
  options.option("--budget", "BYTES", given->budget,
                 "evict: what results that have a cost may take, in all namespaces");
  options.option("--low-water", "BYTES", given->low_water, "evict: down to so much; without it, 90% of the budget");
  options.option("--experiment", "NAME", given->experiment, "put: what it belongs to; rm: all that belongs to it");
  options.option("--limit", "N", given->limit, "list: at most so many");
  options.option("--out", "FILE", given->out, "export: write JSON Lines here; without it, to standard output");
  options.flag("--matching", given->matching, "rm: KEY is a glob");
  return [given](Session& session) { return run_results(session, *given); };
}

}  // namespace

constinit const Verb kResults{
    .name = "results",
    .summary = "List, read, put, remove, evict, export and import small values under keys",
    .examples =
        "  cairn results list 'eval/*'\n"
        "  cairn results get eval/llama-sft\n"
        "  echo '{\"loss\": 1.82}' | cairn results put eval/llama-sft --serializer json --ttl 86400\n"
        "  cairn --yes results rm 'eval/*' --matching\n"
        "  cairn results evict --budget 100000000\n"
        "  cairn results export 'eval/*' --out eval.jsonl\n"
        "  cairn --store OTHER results import eval.jsonl\n",
    .lines = false,
    .declare = declare_results};

}  // namespace cairn::cli
