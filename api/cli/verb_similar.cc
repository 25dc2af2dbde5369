// SPDX-License-Identifier: Apache-2.0
//
// cairn similar: which tensors are the same, and which resemble each other.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

std::string place_text(Output& out, const TensorPlace& place) {
  return out.name(place.ref) + " " + out.name(place.name);
}

void print_report(Output& out, const SimilarReport& report) {
  Table same({{"SAVES", Table::Align::right}, {"PLACES", Table::Align::right}, {"SAME"}});
  for (const SameTensors& one : report.same) {
    same.add({size_text((one.places.size() - 1) * one.bytes), count_text(one.places.size()),
              place_text(out, one.places.front())});
  }
  Table similar({{"SIZE", Table::Align::right},
                 {"STORED", Table::Align::right},
                 {"AS DELTA", Table::Align::right},
                 {"EQUAL", Table::Align::right},
                 {"COSINE", Table::Align::right},
                 {"TENSOR"},
                 {"LIKE"}});
  for (const SimilarTensors& one : report.similar) {
    const auto& numbers = one.difference.numbers;
    similar.add({size_text(one.bytes), size_text(one.stored_bytes), size_text(one.delta_bytes),
                 fmt::format("{:.1f}%", 100 * (1 - one.difference.changed())),
                 numbers ? fmt::format("{:.4f}", numbers->cosine) : "-", place_text(out, one.place),
                 place_text(out, one.like)});
  }
  for (Table* table : {&same, &similar}) {
    if (table->empty()) continue;
    out.table(*table);
    out.text("\n");
  }
  out.text(fmt::format("{} tensors, {}; the same in several places: {} saved; {} resemble another: {} could be\n",
                       count_text(report.tensors), size_text(report.bytes), size_text(report.same_bytes),
                       count_text(report.similar.size()), size_text(report.saved_bytes)));
}

Result<int> run_similar(Session& session, const SimilarOptions& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const SimilarReport report, store.archive().similar(options, session.progress()));
  session.clear_progress();
  if (session.out().json()) {
    session.summary(to_json(report));
  } else {
    print_report(session.out(), report);
  }
  return kExitDone;
}

Run declare_similar(VerbOptions& options) {
  const auto given = std::make_shared<SimilarOptions>();
  options.argument("NAME", given->name, "NAME or NAME@VERSION: its tensors beside those of other names; all without it",
                   Need::optional);
  return [given](Session& session) { return run_similar(session, *given); };
}

}  // namespace

constinit const Verb kSimilar{.name = "similar",
                              .summary = "Find tensors that are the same, or resemble each other",
                              .examples =
                                  "  cairn similar\n"
                                  "  cairn --json similar llama-sft | jq .saved_bytes\n",
                              .lines = false,
                              .declare = declare_similar};

}  // namespace cairn::cli
