// SPDX-License-Identifier: Apache-2.0
#include "api/src/tree_tensors.h"

#include <map>

#include "engine/reclaim/findings.h"

namespace cairn {
namespace {

Status visit_model(BlockReader& blocks, const TreeEntry& entry, const std::function<Status(TreeTensor)>& visit) {
  const auto model = load_model(blocks, entry.blob);
  if (!model.ok()) return passed_over(model.error());
  std::map<std::string, std::size_t> seen;
  for (const ModelTensor& tensor : model->tensors) {
    CAIRN_CHECK(visit({entry.path, tensor.name, seen[tensor.name]++, tensor.tensor}));
  }
  return {};
}

Status visit_state(BlockReader& blocks, const TreeEntry& entry, const std::function<Status(TreeTensor)>& visit) {
  const auto state = load_state(blocks, entry.blob);
  if (!state.ok()) return passed_over(state.error());
  for (const StateValue& value : state->values) {
    if (value.kind == RecordKind::tensor) CAIRN_CHECK(visit({entry.path, value.name, 0, value.id}));
  }
  return {};
}

}  // namespace

Status passed_over(const Error& error) { return is_damage(error) ? Status() : Status(error); }

Status for_each_tensor(BlockReader& blocks, const TreeManifest& tree, const std::function<Status(TreeTensor)>& visit) {
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind == EntryKind::state) CAIRN_CHECK(visit_state(blocks, entry, visit));
    if (entry.kind == EntryKind::file && entry.is_model) CAIRN_CHECK(visit_model(blocks, entry, visit));
  }
  return {};
}

}  // namespace cairn
