// SPDX-License-Identifier: Apache-2.0
//
// cairn show: one object, whatever it is.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

void print_facts(Output& out, const ObjectInfo& object) {
  Table facts({{""}, {""}});
  if (object.ref) {
    facts.add({"name", out.name(fmt::format("{}@{}", object.ref->name, object.ref->version))});
    facts.add({"created", local_time_text(object.ref->created_ns)});
    if (!object.ref->tags.empty()) facts.add({"tags", out.name(tags_text(object.ref->tags))});
  }
  facts.add({"kind", object.kind});
  facts.add({"id", object.id});
  if (!object.format.empty()) facts.add({"format", object.format});
  facts.add({"size", fmt::format("{} ({} bytes)", size_text(object.bytes), count_text(object.bytes))});
  facts.add({"stored", fmt::format("{} ({} of its size)", size_text(object.stored_bytes),
                                   ratio_text(object.stored_bytes, object.bytes))});
  if (!object.codecs.empty()) facts.add({"blocks", codecs_text(object.codecs)});
  for (const auto& [key, value] : object.metadata) facts.add({out.name(key), out.name(value)});
  out.table(facts);
}

void print_entries(Output& out, const ObjectInfo& object) {
  using Align = Table::Align;
  Table table({{"MODE"}, {"SIZE", Align::right}, {"MODIFIED"}, {"FORMAT"}, {"PATH"}});
  for (const EntryInfo& entry : object.entries) {
    std::string path = out.name(entry.path);
    if (entry.kind == "symlink") path += " -> " + out.name(entry.link_target);
    if (!entry.note.empty()) path += "  (" + out.name(entry.note) + ")";
    table.add({mode_text(entry.kind, entry.mode), entry.kind == "file" ? size_text(entry.bytes) : "-",
               local_time_text(entry.mtime_ns), entry.format.empty() ? entry.kind : entry.format, path});
  }
  if (table.empty()) return;
  out.text("\n");
  out.table(table);
}

// "llama-sft@3", with the tensor where it is called otherwise; the block where it is nobody's that is known.
std::string bases_text(const TensorInfo& tensor) {
  if (tensor.bases.empty()) return "";
  const TensorBase& first = tensor.bases.front();
  std::string text = first.ref.empty() ? first.id : first.ref;
  if (!first.ref.empty() && first.tensor != tensor.name) text += " " + first.tensor;
  if (tensor.bases.size() > 1) text += fmt::format(" and {} more", tensor.bases.size() - 1);
  return text;
}

void print_tensors(Output& out, const ObjectInfo& object) {
  using Align = Table::Align;
  Table table(
      {{"TENSOR"}, {"DTYPE"}, {"SHAPE"}, {"SIZE", Align::right}, {"STORED", Align::right}, {"CODEC"}, {"FROM"}});
  std::string path;
  const auto flush = [&] {
    if (table.empty()) return;
    out.text(path.empty() ? "\n" : fmt::format("\n{}\n", out.name(path)));
    out.table(table);
    table.clear();
  };
  for (const TensorInfo& tensor : object.tensors) {
    if (tensor.path != path) {
      flush();
      path = tensor.path;
    }
    table.add({out.name(tensor.name), std::string(dtype_name(tensor.dtype)), shape_text(tensor.shape),
               size_text(tensor.bytes), ratio_text(tensor.stored_bytes, tensor.bytes), codecs_text(tensor.codecs),
               out.name(bases_text(tensor))});
  }
  flush();
}

Result<int> run_show(Session& session, const std::string& ref_or_id) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(const ObjectInfo object, store.archive().show(ref_or_id));
  if (session.out().json()) {
    session.out().document(to_json(object));
    return kExitDone;
  }
  print_facts(session.out(), object);
  print_entries(session.out(), object);
  print_tensors(session.out(), object);
  return kExitDone;
}

Run declare_show(VerbOptions& options) {
  const auto ref_or_id = std::make_shared<std::string>();
  options.argument("NAME|ID", *ref_or_id, "NAME, NAME@VERSION, or the id of an object");
  return [ref_or_id](Session& session) { return run_show(session, *ref_or_id); };
}

}  // namespace

constinit const Verb kShow{.name = "show",
                           .summary = "Show one object: its files, tensors and how they are stored",
                           .examples =
                               "  cairn show llama-sft\n"
                               "  cairn show blake3:9f86d081...\n",
                           .lines = false,
                           .declare = declare_show};

}  // namespace cairn::cli
