// SPDX-License-Identifier: Apache-2.0
//
// cairn artifact: named files in S3-compatible storage, without a store.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "api/cli/answers.h"
#include "api/cli/input_file.h"
#include "api/cli/tag_list.h"
#include "api/cli/verb.h"
#include "cairn/artifacts.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kSecondsMax = 9'000'000'000;

struct Options {
  std::string action;
  std::vector<std::string> arguments;
  ArtifactPlace place;
  std::string content_type, prefix, file;
  std::vector<std::string> metadata;
  std::optional<std::size_t> limit, expires, older_than;
  bool put = false, total = false, dry_run = false;
};

Result<Artifacts> open(const Options& options) {
  if (!options.place.url.empty()) return Artifacts::open(options.place);
  return wrong_usage("where? Give --at s3://BUCKET/PREFIX, or set CAIRN_ARTIFACTS");
}

Result<std::chrono::seconds> seconds_of(std::optional<std::size_t> given, std::chrono::seconds otherwise) {
  if (!given) return otherwise;
  if (*given > kSecondsMax) return wrong_usage("more than 9000000000 seconds");
  return std::chrono::seconds(*given);
}

// Of a path or a name: what is behind the last '/'.
Result<std::string> last_part(const std::string& path) {
  const std::string last = path.substr(path.rfind('/') + 1);
  if (!last.empty() && last != "." && last != ".." && last != "-") return last;
  return wrong_usage("'" + printable(path) + "' ends in no name: give the other one too");
}

Json fields_of(const ArtifactInfo& info) {
  Json fields = {{"name", info.name}, {"bytes", info.bytes}, {"etag", info.etag}};
  if (info.modified_ns != 0) fields["modified"] = utc_text(info.modified_ns);
  return fields;
}

Json fields_with_content(const ArtifactInfo& info) {
  Json fields = fields_of(info);
  fields["content_type"] = info.content.content_type;
  fields["metadata"] = Json::object();
  for (const auto& [name, value] : info.content.metadata) fields["metadata"][name] = value;
  return fields;
}

Result<ArtifactInfo> put_standard_input(Session& session, Artifacts& artifacts, const std::string& name,
                                        const ArtifactContent& content) {
  InputFile in([&] { return session.check_stop(); });
  CAIRN_CHECK(in.open("-"));
  const auto source = [&](std::span<std::byte> into) -> Result<std::size_t> {
    CAIRN_TRY(const std::string text, in.read(into.size()));
    std::ranges::copy(std::as_bytes(std::span(text)), into.begin());
    return text.size();
  };
  return artifacts.put_stream(name, source, content);
}

Result<int> put(Session& session, const Options& options) {
  const std::string& path = options.arguments[0];
  CAIRN_TRY(const std::string name, options.arguments.size() > 1 ? options.arguments[1] : last_part(path));
  ArtifactContent content{.content_type = options.content_type};
  CAIRN_TRY(content.metadata, parse_tags(options.metadata));
  CAIRN_TRY(Artifacts artifacts, open(options));
  CAIRN_TRY(const ArtifactInfo info, path == "-" ? put_standard_input(session, artifacts, name, content)
                                                 : artifacts.put_file(name, path, content, session.progress()));
  session.clear_progress();
  session.summary(fields_with_content(info));
  if (!session.out().json()) {
    session.out().report(fmt::format("Put {}: {} in {}\n", session.out().name(name), size_text(info.bytes),
                                     duration_text(session.seconds())));
  }
  return kExitDone;
}

// For whoever has no cairn: under the name that the file has, or another.
Result<int> publish(Session& session, const Options& options) {
  const std::string& ref = options.arguments[0];
  ArtifactContent content{.content_type = options.content_type};
  CAIRN_TRY(content.metadata, parse_tags(options.metadata));
  CAIRN_TRY(Artifacts artifacts, open(options));
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const ArtifactInfo info,
            artifacts.publish(options.arguments[1], store, ref, options.file, content, session.progress()));
  session.clear_progress();
  session.summary(fields_with_content(info));
  if (!session.out().json()) {
    session.out().report(fmt::format("Published {} as {}: {} in {}\n", session.out().name(ref),
                                     session.out().name(options.arguments[1]), size_text(info.bytes),
                                     duration_text(session.seconds())));
  }
  return kExitDone;
}

Result<int> get(Session& session, const Options& options) {
  const std::string& name = options.arguments[0];
  CAIRN_TRY(const std::string path, options.arguments.size() > 1 ? options.arguments[1] : last_part(name));
  CAIRN_TRY(Artifacts artifacts, open(options));
  if (path == "-") {
    const auto sink = [&](std::span<const std::byte> bytes) -> Status {
      session.out().write(bytes);
      return session.check_stop();
    };
    CAIRN_TRY(const ArtifactInfo info, artifacts.get_stream(name, sink));
    static_cast<void>(info);
    return kExitDone;
  }
  CAIRN_TRY(const ArtifactInfo info, artifacts.get_file(name, path, session.progress()));
  session.clear_progress();
  Json fields = fields_with_content(info);
  fields["file"] = path;
  session.summary(std::move(fields));
  if (!session.out().json()) {
    session.out().report(fmt::format("Got {}: {} in {}\n", session.out().name(path), size_text(info.bytes),
                                     duration_text(session.seconds())));
  }
  return kExitDone;
}

Result<int> list(Session& session, const Options& options) {
  const std::string prefix = options.arguments.empty() ? std::string() : options.arguments[0];
  CAIRN_TRY(Artifacts artifacts, open(options));
  if (options.total) {
    CAIRN_TRY(const ArtifactTotal total, artifacts.total(prefix));
    print_fields(session.out(), Json{{"artifacts", total.artifacts}, {"bytes", total.bytes}});
    return kExitDone;
  }
  Listing rows({{"NAME"}, {"SIZE", Table::Align::right}, {"MODIFIED"}});
  const auto fetch = [&](const std::string& cursor, std::size_t count) {
    return artifacts.list(prefix, cursor, count);
  };
  const auto visit = [&](const ArtifactInfo& info) -> Status {
    rows.add(fields_of(info), {session.out().name(info.name), size_text(info.bytes),
                               info.modified_ns != 0 ? local_time_text(info.modified_ns) : "-"});
    return {};
  };
  CAIRN_CHECK(walk_pages(session, options.limit, &ArtifactPage::artifacts, fetch, visit));
  rows.print(session.out());
  return kExitDone;
}

Result<int> stat(Session& session, const Options& options) {
  CAIRN_TRY(Artifacts artifacts, open(options));
  CAIRN_TRY(const ArtifactInfo info, artifacts.stat(options.arguments[0]));
  print_fields(session.out(), fields_with_content(info));
  return kExitDone;
}

Result<int> copy(Session& session, const Options& options) {
  CAIRN_TRY(Artifacts artifacts, open(options));
  CAIRN_CHECK(artifacts.copy(options.arguments[0], options.arguments[1]));
  session.summary(Json{{"from", options.arguments[0]}, {"to", options.arguments[1]}});
  return kExitDone;
}

Result<int> remove_one(Session& session, const Options& options) {
  const std::string& name = options.arguments[0];
  CAIRN_TRY(Artifacts artifacts, open(options));
  if (options.dry_run) {
    CAIRN_TRY(const ArtifactInfo info, artifacts.stat(name));
    if (!session.out().json()) session.out().report("Would remove " + session.out().name(info.name) + "\n");
    session.summary(Json{{"removed", 1}, {"removed_bytes", info.bytes}, {"dry_run", true}});
    return kExitDone;
  }
  CAIRN_TRY(const bool was_there, artifacts.remove(name));
  if (!was_there) return Error{.code = ErrorCode::not_found, .message = "no artifact '" + printable(name) + "'"};
  print_removed(session, 1, "artifact", "artifacts");
  return kExitDone;
}

Result<int> remove(Session& session, const Options& options) {
  if (options.prefix.empty() == options.arguments.empty()) return wrong_usage("rm takes a NAME, or --prefix");
  if (options.prefix.empty()) return remove_one(session, options);
  if (!options.dry_run) {
    CAIRN_CHECK(
        session.confirm("remove the artifacts at " + options.place.url + " that begin with '" + options.prefix + "'"));
  }
  CAIRN_TRY(Artifacts artifacts, open(options));
  const Progress progress = session.progress();
  CAIRN_TRY(const ArtifactRemoveReport report, artifacts.remove_all(options.prefix, options.dry_run, progress));
  session.clear_progress();
  for (const ArtifactNotRemoved& one : report.failed) progress.problem(one.name, one.error.message);
  if (session.out().json()) {
    session.summary(Json{{"removed", report.removed},
                         {"removed_bytes", report.removed_bytes},
                         {"failed", report.failed.size()},
                         {"dry_run", options.dry_run}});
  } else {
    session.out().report(fmt::format("{} {} of {}\n", options.dry_run ? "Would remove" : "Removed",
                                     count_text(report.removed, "artifact", "artifacts"),
                                     size_text(report.removed_bytes)));
  }
  return report.failed.empty() ? kExitDone : kExitPartial;
}

Result<int> url(Session& session, const Options& options) {
  const std::string& name = options.arguments[0];
  CAIRN_TRY(const std::chrono::seconds valid_for, seconds_of(options.expires, std::chrono::hours(1)));
  CAIRN_TRY(Artifacts artifacts, open(options));
  CAIRN_TRY(const std::string made,
            options.put ? artifacts.url_to_put(name, valid_for) : artifacts.url_to_get(name, valid_for));
  session.summary(Json{{"name", name}, {"url", made}, {"expires_seconds", valid_for.count()}});
  if (!session.out().json()) session.out().text(made + "\n");
  return kExitDone;
}

Result<int> abort_uploads(Session& session, const Options& options) {
  CAIRN_TRY(const std::chrono::seconds older_than, seconds_of(options.older_than, std::chrono::hours(24)));
  const std::string prefix = options.arguments.empty() ? std::string() : options.arguments[0];
  CAIRN_TRY(Artifacts artifacts, open(options));
  CAIRN_TRY(const std::uint64_t aborted, artifacts.abort_uploads(prefix, older_than));
  session.summary(Json{{"aborted", aborted}});
  if (!session.out().json()) session.out().report("Aborted " + count_text(aborted, "upload", "uploads") + "\n");
  return kExitDone;
}

struct Action {
  const char* name;
  const char* arguments;
  std::size_t least, most;
  Result<int> (*run)(Session& session, const Options& options);
};
constexpr std::array kActions{Action{"put", "FILE, and a NAME when it has another", 1, 2, put},
                              Action{"publish", "REF and the NAME that it is to have", 2, 2, publish},
                              Action{"get", "NAME, and a FILE when it has another name", 1, 2, get},
                              Action{"ls", "at most a PREFIX", 0, 1, list},
                              Action{"stat", "NAME", 1, 1, stat},
                              Action{"cp", "NAME and the other NAME", 2, 2, copy},
                              Action{"rm", "a NAME, or --prefix", 0, 1, remove},
                              Action{"url", "NAME", 1, 1, url},
                              Action{"abort", "at most a PREFIX", 0, 1, abort_uploads}};

Result<int> run_artifact(Session& session, const Options& options) {
  const auto action =
      std::ranges::find(kActions, options.action, [](const Action& one) { return std::string(one.name); });
  if (action == kActions.end()) {
    return wrong_usage("artifact knows put, publish, get, ls, stat, cp, rm, url and abort, not '" +
                       printable(options.action) + "'");
  }
  if (options.arguments.size() < action->least || options.arguments.size() > action->most) {
    return wrong_usage(options.action + " takes " + action->arguments);
  }
  return action->run(session, options);
}

Run declare_artifact(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  if (const char* const at = std::getenv("CAIRN_ARTIFACTS"); at != nullptr) given->place.url = at;
  options.argument("put|publish|get|ls|stat|cp|rm|url|abort", given->action, "What to do");
  options.arguments("NAME", given->arguments,
                    "Of what; put: a FILE and its name; publish: a version and its name; get: a name and a FILE; '-': "
                    "standard input or output",
                    Need::optional);
  options.option("--at", "URL", given->place.url, "Where: s3://BUCKET/PREFIX (CAIRN_ARTIFACTS)");
  options.option("--endpoint", "URL", given->place.endpoint, "The server, when it is not Amazon's own");
  options.option("--region", "NAME", given->place.region, "The bucket's region");
  options.option("--ca-file", "FILE", given->place.ca_file, "Certificates to trust instead of the system's");
  options.option("--content-type", "TYPE", given->content_type, "put, publish: what a browser is told that it is");
  options.option("--metadata", "K=V", given->metadata, "put, publish: kept with it; may be given several times");
  options.option("--file", "PATH", given->file, "publish: which of the version's files, where it has several");
  options.option("--prefix", "PREFIX", given->prefix, "rm: all whose names begin with it");
  options.option("--limit", "N", given->limit, "ls: at most so many");
  options.flag("--total", given->total, "ls: how many there are, and their bytes");
  options.flag("--dry-run", given->dry_run, "rm: say what would go");
  options.flag("--put", given->put, "url: one that puts it, by HTTP's PUT");
  options.option("--expires", "SECONDS", given->expires, "url: how long it works, up to 7 days; without it, an hour");
  options.option("--older-than", "SECONDS", given->older_than,
                 "abort: uploads that were begun so long ago; without it, a day");
  return [given](Session& session) { return run_artifact(session, *given); };
}

}  // namespace

constinit const Verb kArtifact{
    .name = "artifact",
    .summary = "Put and get named files in S3-compatible storage, beside any store",
    .examples =
        "  export CAIRN_ARTIFACTS=s3://models/artifacts\n"
        "  cairn artifact put loss.png runs/7/loss.png --content-type image/png\n"
        "  cairn artifact publish llama-sft@3 llama-sft-3.safetensors   a version, for whoever has no cairn\n"
        "  cairn artifact ls runs/7/\n"
        "  cairn artifact get runs/7/loss.png -             to standard output\n"
        "  cairn artifact url runs/7/loss.png --expires 600 for whoever has no account there\n"
        "  cairn --yes artifact rm --prefix runs/7/\n"
        "  cairn artifact abort                             what killed uploads left\n",
    .lines = true,
    .declare = declare_artifact};

}  // namespace cairn::cli
