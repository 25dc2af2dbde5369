// SPDX-License-Identifier: Apache-2.0
//
// cairn cat: the bytes of a file or an object on standard output.
#include <memory>

#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string ref_or_id, path;
};

Result<int> run_cat(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  const auto sink = [&](std::span<const std::byte> bytes) -> Status {
    session.out().write(bytes);
    return session.check_stop();
  };
  Archive archive = store.archive();
  if (options.path.empty()) {
    CAIRN_CHECK(archive.read_object(options.ref_or_id, sink));
  } else {
    CAIRN_CHECK(archive.read_file(options.ref_or_id, options.path, sink));
  }
  return kExitDone;
}

Run declare_cat(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("NAME|ID", given->ref_or_id, "NAME or NAME@VERSION with PATH, or the id of an object");
  options.argument("PATH", given->path, "A file in it, as 'cairn ls NAME' prints it", Need::optional);
  return [given](Session& session) { return run_cat(session, *given); };
}

}  // namespace

constinit const Verb kCat{.name = "cat",
                          .summary = "Write a file or object to standard output",
                          .examples =
                              "  cairn cat llama-sft llama-sft/config.json\n"
                              "  cairn cat llama-sft@2 llama-sft/model.safetensors | b3sum\n"
                              "  cairn cat blake3:9f86d081... > weights.bin\n",
                          .lines = false,
                          .declare = declare_cat};

}  // namespace cairn::cli
