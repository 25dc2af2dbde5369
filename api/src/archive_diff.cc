// SPDX-License-Identifier: Apache-2.0
//
// Archive::diff: two versions, tensor by tensor. Only blocks that differ are read.
#include <map>

#include "api/src/float_values.h"
#include "api/src/object_info.h"
#include "api/src/ref_name.h"
#include "api/src/state_files.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"

namespace cairn {
namespace {

// Something that is compared: a tensor of a model file, or an opaque file (no name).
struct Part {
  Digest id;
  std::uint64_t bytes = 0;
  bool is_tensor = false;
};
// By path and tensor name; equal names within one file are told apart by their order.
using Parts = std::map<std::tuple<std::string, std::string, std::size_t>, Part>;

Result<Parts> parts_of(StoreImpl& store, const std::string& ref) {
  CAIRN_TRY(const RefRecord record, find_ref(store, ref));
  CAIRN_TRY(const TreeManifest tree, load_ref_tree(store, record));
  Parts parts;
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind == EntryKind::state) {
      CAIRN_TRY(const StateManifest state, load_state(store.blocks(), entry.blob));
      for (const StateValue& value : state.values) {
        const bool is_tensor = value.kind == RecordKind::tensor;
        const std::string path = is_tensor ? entry.path : state_part_path(entry, value.name);
        parts[{path, is_tensor ? value.name : "", 0}] =
            Part{.id = value.id, .bytes = value.bytes, .is_tensor = is_tensor};
      }
    }
    if (entry.kind != EntryKind::file) continue;
    if (!entry.is_model) {
      parts[{entry.path, "", 0}] = Part{.id = entry.blob, .bytes = entry.bytes};
      continue;
    }
    CAIRN_TRY(const ModelManifest model, load_model(store.blocks(), entry.blob));
    std::map<std::string, std::size_t> seen;
    for (const ModelTensor& tensor : model.tensors) {
      parts[{entry.path, tensor.name, seen[tensor.name]++}] =
          Part{.id = tensor.tensor, .bytes = tensor.bytes, .is_tensor = true};
    }
  }
  return parts;
}

class Differ {
 public:
  Differ(StoreImpl& store, ProgressMeter& meter) : store_(store), meter_(meter) {}

  Status changed(const Part& a, const Part& b, TensorChange& change) {
    change.changed_bytes = b.bytes;
    if (!a.is_tensor || !b.is_tensor) return {};
    CAIRN_TRY(const TensorManifest x, load_tensor(store_.blocks(), a.id));
    CAIRN_TRY(const TensorManifest y, load_tensor(store_.blocks(), b.id));
    // Same dtype, shape and so same cuts: blocks pair up.
    if (x.dtype != y.dtype || x.shape != y.shape || x.bytes != y.bytes || x.attribute != y.attribute) return {};
    CAIRN_TRY(const FilePieces px, pieces_of_blob(store_.blocks(), x.blob, x.bytes));
    CAIRN_TRY(const FilePieces py, pieces_of_blob(store_.blocks(), y.blob, y.bytes));
    const bool floats = has_float_values(x.dtype) && x.attribute == 0 && x.bytes > 0;
    FloatDifference difference;
    change.changed_bytes = 0;
    for (std::size_t i = 0; i < px.pieces.size() && i < py.pieces.size(); ++i) {
      CAIRN_CHECK(meter_.check_stop());
      const BlockRef& bx = px.pieces[i].block;
      const BlockRef& by = py.pieces[i].block;
      meter_.add(by.bytes);
      if (bx == by) continue;
      change.changed_bytes += by.bytes;
      if (!floats || bx.bytes != by.bytes) continue;
      CAIRN_TRY(const Block cx, store_.blocks().read_block(bx.digest));
      CAIRN_TRY(const Block cy, store_.blocks().read_block(by.digest));
      difference.add(x.dtype, cx.content, cy.content);
    }
    if (floats) {
      change.max_abs_difference = difference.largest;
      change.mean_abs_difference = difference.sum / (static_cast<double>(x.bytes) / (dtype_bits(x.dtype) / 8));
    }
    return {};
  }

 private:
  StoreImpl& store_;
  ProgressMeter& meter_;
};

}  // namespace

Result<DiffReport> Archive::diff(const std::string& ref_a, const std::string& ref_b, const Progress& progress) {
  CAIRN_TRY(const Parts before, parts_of(*store_, ref_a));
  CAIRN_TRY(const Parts after, parts_of(*store_, ref_b));
  ProgressMeter meter(progress, "diff", 0);
  Differ differ(*store_, meter);
  DiffReport report;
  const auto change_of = [](const Parts::key_type& key, const Part& part, const char* what) {
    return TensorChange{.path = std::get<0>(key), .name = std::get<1>(key), .what = what, .bytes = part.bytes};
  };
  for (const auto& [key, part] : before) {
    const auto other = after.find(key);
    if (other == after.end()) {
      ++report.removed;
      report.changes.push_back(change_of(key, part, "removed"));
    } else if (other->second.id == part.id) {
      ++report.same;
    } else {
      ++report.changed;
      TensorChange change = change_of(key, other->second, "changed");
      CAIRN_CHECK(differ.changed(part, other->second, change));
      report.changes.push_back(std::move(change));
    }
  }
  for (const auto& [key, part] : after) {
    if (before.contains(key)) continue;
    ++report.added;
    report.changes.push_back(change_of(key, part, "added"));
  }
  return report;
}

}  // namespace cairn
