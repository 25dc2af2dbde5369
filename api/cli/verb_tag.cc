// SPDX-License-Identifier: Apache-2.0
//
// cairn tag: shows, sets and removes the tags of a version.
#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/tag_list.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string ref;
  std::vector<std::string> changes;
};

Result<RefInfo> show_or_change(Session& session, const Options& options) {
  CAIRN_TRY(const Tags changes, parse_tags(options.changes));
  // Looking needs no lock.
  CAIRN_TRY(Store store, session.open_store(changes.empty() ? Access::read_only : Access::read_write));
  if (changes.empty()) return store.archive().resolve(options.ref);
  CAIRN_TRY(RefInfo ref, store.archive().tag(options.ref, changes));
  CAIRN_CHECK(store.close());
  return ref;
}

Result<int> run_tag(Session& session, const Options& options) {
  CAIRN_TRY(const RefInfo ref, show_or_change(session, options));
  Output& out = session.out();
  if (out.json()) {
    out.document(to_json(ref));
    return kExitDone;
  }
  Table table({{""}, {""}});
  for (const auto& [key, value] : ref.tags) table.add({out.name(key), out.name(value)});
  out.table(table);
  return kExitDone;
}

Run declare_tag(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("NAME", given->ref, "NAME for its latest version, or NAME@VERSION");
  options.arguments("K=V", given->changes, "Tags to set; K= removes one; none: show them", Need::optional);
  return [given](Session& session) { return run_tag(session, *given); };
}

}  // namespace

constinit const Verb kTag{.name = "tag",
                          .summary = "Show, set and remove tags of a version",
                          .examples =
                              "  cairn tag llama-sft@3 stage=production loss=1.82\n"
                              "  cairn tag llama-sft@3 stage=              remove one\n"
                              "  cairn tag llama-sft                       show them\n",
                          .lines = false,
                          .declare = declare_tag};

}  // namespace cairn::cli
