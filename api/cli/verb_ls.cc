// SPDX-License-Identifier: Apache-2.0
//
// cairn ls: the names with their versions, or what is in one.
#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/query.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string ref;
  bool objects = false;
  QueryOptions query;
};

// Lists `items` as selected: JSON as it is, and for people the cells that `cells` makes.
template <class Item, class Cells>
Result<int> list(Session& session, const QueryOptions& query, const std::vector<Item>& items,
                 const std::vector<std::string>& fields, std::vector<Table::Column> columns, Cells cells) {
  std::vector<Json> rows;
  rows.reserve(items.size());
  for (const Item& item : items) rows.push_back(to_json(item));
  CAIRN_TRY(const std::vector<std::size_t> selected, select_rows(query, fields, rows));
  if (session.out().json()) {
    Json array = Json::array();
    for (const std::size_t row : selected) array.push_back(std::move(rows[row]));
    session.out().document(std::move(array));
    return kExitDone;
  }
  Table table(std::move(columns));
  for (const std::size_t row : selected) table.add(cells(items[row]));
  if (!table.empty()) session.out().table(table);
  return kExitDone;
}

Result<int> list_names(Session& session, Store& store, const QueryOptions& query) {
  CAIRN_TRY(const std::vector<RefInfo> refs, store.archive().list());
  if (refs.empty() && !session.out().json() && !session.out().quiet()) {
    CAIRN_TRY(const ObjectPage put, store.list({}, 1));
    print_note(put.objects.empty() ? "the store is empty: 'cairn add PATH' archives something"
                                   : "no names here; 'cairn ls --objects' lists what programs have put");
  }
  Output& out = session.out();
  using Align = Table::Align;
  return list(session, query, refs, {"name", "version", "snapshot", "created", "logical_bytes", "tags"},
              {{"NAME"}, {"VERSION", Align::right}, {"CREATED"}, {"SIZE", Align::right}, {"TAGS"}},
              [&](const RefInfo& ref) -> std::vector<std::string> {
                return {out.name(ref.name), std::to_string(ref.version), local_time_text(ref.created_ns),
                        size_text(ref.logical_bytes), out.name(tags_text(ref.tags))};
              });
}

Result<int> list_entries(Session& session, Archive archive, const Options& options) {
  CAIRN_TRY(const std::vector<EntryInfo> entries, archive.entries(options.ref));
  Output& out = session.out();
  using Align = Table::Align;
  return list(session, options.query, entries, {"path", "kind", "bytes", "id", "format", "tensors", "mode", "mtime"},
              {{"ID"}, {"FORMAT"}, {"TENSORS", Align::right}, {"SIZE", Align::right}, {"PATH"}},
              [&](const EntryInfo& entry) -> std::vector<std::string> {
                const bool file = !entry.id.empty();
                std::string path = out.name(entry.path);
                if (entry.kind == "directory") path += '/';
                if (entry.kind == "symlink") path += " -> " + out.name(entry.link_target);
                return {file ? entry.id : "-", file ? entry.format : entry.kind, file ? count_text(entry.tensors) : "-",
                        file ? size_text(entry.bytes) : "-", path};
              });
}

std::string names_text(const Output& out, const Object& object) {
  std::string text;
  for (const ObjectName& name : object.names) text += (text.empty() ? "" : ", ") + out.name(name.name);
  return text;
}

Result<int> list_objects(Session& session, Store& store, const QueryOptions& query) {
  std::vector<Object> objects;
  std::string cursor;
  do {
    CAIRN_TRY(ObjectPage page, store.list(cursor));
    std::move(page.objects.begin(), page.objects.end(), std::back_inserter(objects));
    cursor = page.next;
  } while (!cursor.empty());
  Output& out = session.out();
  using Align = Table::Align;
  return list(session, query, objects, {"id", "kind", "bytes", "dtype", "shape", "names"},
              {{"ID"}, {"DTYPE"}, {"SHAPE"}, {"SIZE", Align::right}, {"NAMES"}},
              [&](const Object& object) -> std::vector<std::string> {
                return {object.id, object.tensor ? std::string(dtype_name(object.tensor->dtype)) : "-",
                        object.tensor ? shape_text(object.tensor->shape) : "-", size_text(object.bytes),
                        names_text(out, object)};
              });
}

Result<int> run_ls(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  if (options.objects) {
    if (options.ref.empty()) return list_objects(session, store, options.query);
    return Error{.code = ErrorCode::invalid_argument, .message = "ls: --objects takes no NAME"};
  }
  if (options.ref.empty()) return list_names(session, store, options.query);
  return list_entries(session, store.archive(), options);
}

Run declare_ls(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("NAME", given->ref, "List what is in NAME or NAME@VERSION; default: the names", Need::optional);
  options.flag("--objects", given->objects, "List what programs have put directly, by id");
  options.option("--filter", "E", given->query.filters,
                 "Only rows for which FIELD=VALUE (globs; or !=, <, <=, >, >=) holds; the fields are those of --json");
  options.option("--sort", "FIELD", given->query.sort, "By a field; -FIELD for descending order");
  options.option("--limit", "N", given->query.limit, "At most so many rows");
  return [given](Session& session) { return run_ls(session, *given); };
}

}  // namespace

constinit const Verb kLs{
    .name = "ls",
    .summary = "List the names, what is in one, or the objects that programs put",
    .examples =
        "  cairn ls\n"
        "  cairn ls --filter 'name=llama*' --filter 'logical_bytes>1GiB' --sort=-created --limit 5\n"
        "  cairn ls llama-sft@3 --filter format=safetensors\n"
        "  cairn ls --objects --filter dtype=bf16\n",
    .lines = false,
    .declare = declare_ls};

}  // namespace cairn::cli
