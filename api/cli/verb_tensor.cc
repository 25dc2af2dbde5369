// SPDX-License-Identifier: Apache-2.0
//
// cairn tensor: one tensor as a NumPy file, reading only its blocks.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/new_file.h"
#include "api/cli/npy.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string ref_or_id, tensor, out;
};

Result<int> run_tensor(Session& session, const Options& options) {
  Output& out = session.out();
  const bool to_stdout = options.out.empty() && !out.json();
  if (to_stdout && out.terminal()) {
    return Error{.code = ErrorCode::invalid_argument,
                 .message = "a terminal shows no tensor: give --out FILE.npy, or --json"};
  }
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Archive archive = store.archive();
  CAIRN_TRY(const TensorInfo tensor, archive.find_tensor(options.ref_or_id, options.tensor));
  CAIRN_TRY(const NpyHeader header, make_npy_header(tensor));
  const auto header_bytes = std::as_bytes(std::span(header.bytes));
  if (to_stdout) {
    const auto print = [&](std::span<const std::byte> bytes) -> Status {
      out.write(bytes);
      return session.check_stop();
    };
    out.write(header_bytes);
    CAIRN_CHECK(archive.read_tensor(tensor, print));
  } else if (!options.out.empty()) {
    NewFile file(options.out);
    const auto save = [&](std::span<const std::byte> bytes) -> Status {
      CAIRN_CHECK(file.write(bytes));
      return session.check_stop();
    };
    CAIRN_CHECK(file.open());
    CAIRN_CHECK(file.write(header_bytes));
    CAIRN_CHECK(archive.read_tensor(tensor, save));
    CAIRN_CHECK(file.commit());
  }
  const bool written = to_stdout || !options.out.empty();
  if (written && !header.note.empty() && !out.quiet()) print_note(header.note);
  if (out.json()) {
    session.summary(to_json(tensor));
  } else if (!options.out.empty()) {
    out.report(fmt::format("Wrote {}: {} {}, {}, {}\n", out.name(options.out), dtype_name(tensor.dtype),
                           shape_text(tensor.shape), size_text(tensor.bytes), tensor.id));
  }
  return kExitDone;
}

Run declare_tensor(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("NAME|ID", given->ref_or_id, "NAME or NAME@VERSION with TENSOR, or the id of a tensor");
  options.argument("TENSOR", given->tensor, "Its name; FILE:TENSOR when several files have it", Need::optional);
  options.option("--out", "FILE.npy", given->out,
                 "Write here; default: standard output, or with --json only describe it");
  return [given](Session& session) { return run_tensor(session, *given); };
}

}  // namespace

constinit const Verb kTensor{
    .name = "tensor",
    .summary = "Write one tensor as a NumPy file",
    .examples =
        "  cairn tensor llama-sft model.embed_tokens.weight --out embed.npy\n"
        "  cairn tensor llama-sft@2 lm_head.weight | python3 -c \\\n"
        "    'import io, sys, numpy; print(numpy.load(io.BytesIO(sys.stdin.buffer.read())).std())'\n",
    .lines = false,
    .declare = declare_tensor};

}  // namespace cairn::cli
