// SPDX-License-Identifier: Apache-2.0
#include "api/src/base_names.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "api/src/ref_name.h"
#include "api/src/tree_tensors.h"
#include "engine/read/file_pieces.h"

namespace cairn {
namespace {

constexpr std::size_t kVersionsMax = 64;

class BaseNames {
 public:
  explicit BaseNames(StoreImpl& store) : store_(store) {}

  // Which blocks the tensor's own rely on.
  Status take(TensorInfo& tensor) {
    if (!tensor.codecs.contains("delta")) return {};
    CAIRN_TRY(const Digest blob, parse_digest(store_.header().digest, tensor.blob));
    const auto pieces = pieces_of_blob(store_.blocks(), blob, tensor.bytes);
    if (!pieces.ok()) return passed_over(pieces.error());
    auto& counts = counts_.emplace_back(&tensor, Counts()).second;
    for (const Piece& piece : pieces->pieces) {
      CAIRN_TRY(const auto at, store_.index().find_block(piece.block.digest));
      if (!at || !has_parts(*at)) continue;
      const auto bases = store_.blocks().bases_of(piece.block.digest, *at);
      if (!bases.ok()) continue;
      for (const Reference& base : *bases) {
        ++counts[base.id];
        if (owners_.try_emplace(base.id).second) ++unknown_;
      }
    }
    names_.insert(tensor.name);
    return {};
  }

  Status look_for_owners(const std::optional<RefRecord>& shown) {
    if (unknown_ == 0) return {};
    std::vector<RefRecord> near, others;  // the latest of each other name
    const auto collect = [&](const RefRecord& ref) -> Status {
      if (shown && ref.name == shown->name) {
        if (ref.version != shown->version) near.push_back(ref);
      } else if (!others.empty() && others.back().name == ref.name) {
        others.back() = ref;
      } else {
        others.push_back(ref);
      }
      return {};
    };
    CAIRN_CHECK(store_.index().for_each_ref(collect));
    const auto distance = [&](const RefRecord& ref) {
      return ref.version > shown->version ? ref.version - shown->version : shown->version - ref.version;
    };
    std::ranges::stable_sort(near, {}, distance);
    std::size_t looked = 0;
    for (const auto* const refs : {&near, &others}) {
      const std::size_t some = refs == &near ? kVersionsMax / 2 : kVersionsMax;
      for (const RefRecord& ref : *refs) {
        if (unknown_ == 0 || looked >= some) break;
        look_into(ref);
        ++looked;
      }
    }
    return {};
  }

  void tell() const {
    for (const auto& [tensor, counts] : counts_) {
      for (const auto& [base, blocks] : counts) {
        TensorBase found = owners_.at(base);
        if (found.ref.empty()) found.id = store_.id_text(base);
        const auto same = std::ranges::find_if(tensor->bases, [&](const TensorBase& other) {
          return other.ref == found.ref && other.tensor == found.tensor && other.id == found.id;
        });
        TensorBase& entry = same == tensor->bases.end() ? tensor->bases.emplace_back(found) : *same;
        entry.blocks += blocks;
      }
      std::ranges::stable_sort(tensor->bases, std::greater<>(), &TensorBase::blocks);
    }
  }

 private:
  using Counts = std::map<Digest, std::uint64_t>;

  void look_into(const RefRecord& ref) {
    const auto tree = load_ref_tree(store_, ref);
    if (!tree.ok()) return;
    for (const TreeEntry& entry : tree->entries) {
      if (entry.kind == EntryKind::state) {
        const auto state = load_state(store_.blocks(), entry.blob);
        if (!state.ok()) continue;
        for (const StateValue& value : state->values) {
          if (value.kind == RecordKind::tensor) look_at(ref, value.name, value.id);
        }
      } else if (entry.kind == EntryKind::file && entry.is_model) {
        const auto model = load_model(store_.blocks(), entry.blob);
        if (!model.ok()) continue;
        for (const ModelTensor& tensor : model->tensors) look_at(ref, tensor.name, tensor.tensor);
      }
    }
  }

  void look_at(const RefRecord& ref, const std::string& name, const Digest& id) {
    if (unknown_ == 0 || !names_.contains(name)) return;
    const auto tensor = load_tensor(store_.blocks(), id);
    if (!tensor.ok()) return;
    const auto pieces = pieces_of_blob(store_.blocks(), tensor->blob, tensor->bytes);
    if (!pieces.ok()) return;
    for (const Piece& piece : pieces->pieces) {
      const auto owner = owners_.find(piece.block.digest);
      if (owner == owners_.end() || !owner->second.ref.empty()) continue;
      owner->second.ref = ref.name + "@" + std::to_string(ref.version);
      owner->second.tensor = name;
      owner->second.id = store_.id_text(id);
      --unknown_;
    }
  }

  StoreImpl& store_;
  std::set<std::string> names_;
  std::vector<std::pair<TensorInfo*, Counts>> counts_;
  std::unordered_map<Digest, TensorBase> owners_;  // of bases
  std::size_t unknown_ = 0;                        // of them, that none was found of
};

}  // namespace

Status name_bases(StoreImpl& store, const std::optional<RefRecord>& shown, std::vector<TensorInfo>& tensors) {
  BaseNames names(store);
  for (TensorInfo& tensor : tensors) CAIRN_CHECK(names.take(tensor));
  CAIRN_CHECK(names.look_for_owners(shown));
  names.tell();
  return {};
}

}  // namespace cairn
