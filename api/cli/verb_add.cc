// SPDX-License-Identifier: Apache-2.0
//
// cairn add: archives files and folders as the next version of a name.
#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/tag_list.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::vector<std::string> paths, tags;
  std::string codec = "auto";
  AddOptions add;
};

// "auto", "none", "lz4", "zstd", "zstd:N".
Status parse_codec(const std::string& text, AddOptions& add) {
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  if (colon == std::string::npos) {
    if (name == "auto") return add.codec = Codec::automatic, Status{};
    if (name == "none") return add.codec = Codec::none, Status{};
    if (name == "lz4") return add.codec = Codec::lz4, Status{};
  }
  if (name == "zstd") {
    add.codec = Codec::zstd;
    if (colon == std::string::npos) return {};
    const char* const end = text.data() + text.size();
    const auto [at, failure] = std::from_chars(text.data() + colon + 1, end, add.zstd_level);
    if (failure == std::errc{} && at == end && add.zstd_level >= 1 && add.zstd_level <= 19) return {};
  }
  return Error{.code = ErrorCode::invalid_argument,
               .message = "--codec '" + printable(text) + "' is none of auto, none, lz4, zstd and zstd:1 to zstd:19"};
}

void print_report(Session& session, const AddReport& report, bool dry_run) {
  Output& out = session.out();
  const double seconds = session.seconds();
  out.report(dry_run ? fmt::format("Would add {}", out.name(report.name))
                     : fmt::format("Added {}@{}", out.name(report.name), report.version));
  out.report(fmt::format(": {}, {}, in {} ({})\n", count_text(report.files, "file", "files"),
                         size_text(report.logical_bytes), duration_text(seconds),
                         rate_text(report.logical_bytes, seconds)));
  Table table({{""}, {"", Table::Align::right}, {""}});
  table.add(
      {"  tensors", count_text(report.tensors),
       report.opaque_files == 0 ? "" : "and " + count_text(report.opaque_files, "file", "files") + " without any"});
  table.add({"  known before", size_text(report.logical_bytes - std::min(report.new_bytes, report.logical_bytes)),
             "in " + count_text(report.known_blocks, "block", "blocks")});
  table.add({"  new", size_text(report.new_bytes), "in " + count_text(report.new_blocks, "block", "blocks")});
  if (report.delta_blocks > 0) {
    table.add({"  differences", "",
               "from " + out.name(report.base) + " in " + count_text(report.delta_blocks, "block", "blocks")});
  }
  if (!dry_run) {
    table.add(
        {"  stored", size_text(report.stored_bytes),
         report.logical_bytes == 0 ? "" : ratio_text(report.stored_bytes, report.logical_bytes) + " of the input"});
  }
  if (report.unchanged_files > 0) {
    table.add({"  not read", count_text(report.unchanged_files, "file", "files"), "unchanged since they were added"});
  }
  if (report.unreadable > 0) {
    table.add({"  left out", count_text(report.unreadable, "input", "inputs"), "that could not be read"});
  }
  out.report(table.text());
  if (!dry_run) out.report(fmt::format("  snapshot  {}\n", report.snapshot));
}

Result<int> run_add(Session& session, Options options) {
  CAIRN_CHECK(parse_codec(options.codec, options.add));
  CAIRN_TRY(options.add.tags, parse_tags(options.tags));
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(const AddReport report, store.archive().add(options.paths, options.add, session.progress()));
  CAIRN_CHECK(store.close());
  session.clear_progress();
  if (session.out().json()) {
    session.summary(to_json(report));
  } else {
    print_report(session, report, options.add.dry_run);
  }
  return report.unreadable > 0 ? kExitPartial : kExitDone;
}

Run declare_add(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.arguments("PATH", given->paths, "Files, folders and symbolic links");
  options.option("--as", "NAME", given->add.name, "The name; default: the base name of the one PATH");
  options.option("--tag", "K=V", given->tags, "A tag of the new version; may be repeated");
  options.option("--codec", "CODEC", given->codec, "auto, none, lz4, zstd or zstd:1 to zstd:19");
  options.option("--base", "BASE", given->add.base, "auto (the version before), none, NAME or NAME@VERSION");
  options.flag("--force", given->add.force, "Read files that look unchanged, too");
  options.flag("--dry-run", given->add.dry_run, "Read and compare; write nothing");
  return [given](Session& session) { return run_add(session, *given); };
}

}  // namespace

constinit const Verb kAdd{.name = "add",
                          .summary = "Archive files or folders as the next version of a name",
                          .examples =
                              "  cairn add checkpoints/llama-sft --tag step=12000\n"
                              "  cairn add model.safetensors config.json --as llama-sft\n"
                              "  cairn add llama-chat --base llama-sft      a fine-tune, as what differs from it\n"
                              "  cairn add --dry-run model.safetensors      what would be new?\n",
                          .lines = true,
                          .declare = declare_add};

}  // namespace cairn::cli
