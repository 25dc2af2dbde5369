// SPDX-License-Identifier: Apache-2.0
//
// cairn stats: sizes and counts, and what deduplication and compression gain.
#include <fmt/format.h>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

void print_stats(Output& out, const StoreStats& stats) {
  const auto share = [&](std::uint64_t part, std::uint64_t whole, const char* of) {
    return whole == 0 ? std::string() : fmt::format("{} of {}", ratio_text(part, whole), of);
  };
  Table sizes({{""}, {"", Table::Align::right}, {""}});
  const std::uint64_t held = stats.logical_bytes + stats.object_bytes;
  sizes.add({"all versions hold", size_text(stats.logical_bytes), ""});
  if (stats.objects > 0) sizes.add({"objects put directly hold", size_text(stats.object_bytes), ""});
  sizes.add({"without duplicates", size_text(stats.unique_bytes), share(stats.unique_bytes, held, "that")});
  sizes.add({"compressed", size_text(stats.stored_bytes), share(stats.stored_bytes, stats.unique_bytes, "that")});
  sizes.add({"on the disk", size_text(stats.disk_bytes), share(stats.disk_bytes, held, "what was put in")});
  sizes.add({"  of it the log", size_text(stats.log_bytes), "in " + count_text(stats.segments, "file", "files")});
  sizes.add({"  of that dead", size_text(stats.dead_bytes), stats.dead_bytes > 0 ? "'cairn gc' gives it back" : ""});
  if (stats.reserve_bytes > 0) sizes.add({"  of it in reserve", size_text(stats.reserve_bytes), "for a full disk"});
  sizes.add({"index in memory", size_text(stats.index_memory_bytes), ""});
  out.table(sizes);
  out.text("\n");
  Table counts({{""}, {"", Table::Align::right}});
  for (const auto& [what, count] : {std::pair{"versions", stats.refs},
                                    {"objects put directly", stats.objects},
                                    {"snapshots", stats.snapshots},
                                    {"trees", stats.trees},
                                    {"model files", stats.models},
                                    {"tensors", stats.tensors},
                                    {"blobs", stats.blobs},
                                    {"blocks", stats.blocks}}) {
    counts.add({what, count_text(count)});
  }
  for (const auto& [codec, blocks] : stats.blocks_by_codec) counts.add({"  " + codec, count_text(blocks)});
  out.table(counts);
}

Result<int> run_stats(Session& session) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const StoreStats stats, store.stats());
  if (session.out().json()) {
    session.summary(to_json(stats));
  } else {
    print_stats(session.out(), stats);
  }
  return kExitDone;
}

Run declare_stats(VerbOptions&) { return run_stats; }

}  // namespace

constinit const Verb kStats{.name = "stats",
                            .summary = "Sizes and counts of the whole store",
                            .examples =
                                "  cairn stats\n"
                                "  cairn --json stats | jq '.disk_bytes / .logical_bytes'\n",
                            .lines = false,
                            .declare = declare_stats};

}  // namespace cairn::cli
