// SPDX-License-Identifier: Apache-2.0
#include "api/src/optimize_choice.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

#include "api/src/ref_name.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

class Choice {
 public:
  Choice(StoreImpl& store, const std::function<Status()>& check_stop)
      : store_(store), index_(store.index()), check_stop_(check_stop) {}

  // Everything below the versions.
  Status take_versions(const std::string& text) {
    CAIRN_TRY(const RefName wanted, parse_ref_name(text));
    std::vector<Reference> pending;
    const auto take = [&](const RefRecord& ref) -> Result<bool> {
      if (!wanted.version || wanted.version == ref.version) pending.push_back({RecordKind::snapshot, ref.snapshot});
      return true;
    };
    CAIRN_CHECK(index_.for_each_version(wanted.name, 0, take));
    if (pending.empty()) return make_error(ErrorCode::not_found, "no name '" + printable(text) + "' in the store");
    while (!pending.empty()) {
      CAIRN_CHECK(check_stop_());
      const Reference next = pending.back();
      pending.pop_back();
      if (!seen_.insert({next.kind, next.id}).second) continue;
      if (next.kind == RecordKind::tensor) tensors_.push_back(next.id);
      CAIRN_TRY(const auto parts, parts_of(next));
      pending.insert(pending.end(), parts.begin(), parts.end());
    }
    return {};
  }

  Status take_all() {
    const auto block = [this](const Digest& digest, const RecordLocation& at) -> Status {
      if (at.references > 0) blocks_.try_emplace(digest, ChosenBlock{digest, at});
      return {};
    };
    const auto object = [this](const Digest& id, const RecordLocation& at) -> Status {
      if (at.kind == RecordKind::tensor && at.references > 0) tensors_.push_back(id);
      return {};
    };
    CAIRN_CHECK(index_.for_each_block(block));
    return index_.for_each_object(object);
  }

  // A tensor that cannot be read says nothing of its blocks: they are opaque.
  Status note_types() {
    for (const Digest& id : tensors_) {
      CAIRN_CHECK(check_stop_());
      const auto tensor = load_tensor(store_.blocks(), id);
      if (!tensor.ok()) continue;
      note_type(tensor->blob, tensor->dtype);
      CAIRN_TRY(const auto at, index_.find_object(RecordKind::blob, tensor->blob));
      if (!at) continue;
      const auto blob = load_blob(store_.blocks(), tensor->blob);
      if (!blob.ok()) continue;
      for (const BlockRef& block : blob->blocks) note_type(block.digest, tensor->dtype);
    }
    return {};
  }

  std::vector<ChosenBlock> in_log_order() && {
    std::vector<ChosenBlock> blocks;
    blocks.reserve(blocks_.size());
    for (auto& [digest, block] : blocks_) blocks.push_back(block);
    std::ranges::sort(blocks, {}, [](const ChosenBlock& b) { return std::tuple(b.at.segment, b.at.offset); });
    return blocks;
  }

 private:
  Result<std::vector<Reference>> parts_of(const Reference& object) {
    const bool shared = object.kind == RecordKind::block || object.kind == RecordKind::blob;
    if (shared) {
      CAIRN_TRY(const auto block, index_.find_block(object.id));
      if (block && block->references > 0) blocks_.try_emplace(object.id, ChosenBlock{object.id, *block});
    }
    CAIRN_TRY(const auto at, index_.find_object(shared ? RecordKind::blob : object.kind, object.id));
    if (!at) return std::vector<Reference>();
    CAIRN_TRY(auto parts, store_.parts().parts_of(object.id, *at));
    return parts ? *std::move(parts) : std::vector<Reference>();  // check() names what is damaged
  }

  void note_type(const Digest& digest, DType dtype) {
    if (const auto block = blocks_.find(digest); block != blocks_.end()) block->second.dtype = dtype;
  }

  StoreImpl& store_;
  Index& index_;
  const std::function<Status()>& check_stop_;
  std::set<std::pair<RecordKind, Digest>> seen_;
  std::vector<Digest> tensors_;
  std::unordered_map<Digest, ChosenBlock> blocks_;
};

}  // namespace

Result<std::vector<ChosenBlock>> choose_blocks(StoreImpl& store, const std::string& name,
                                               const std::function<Status()>& check_stop) {
  Choice choice(store, check_stop);
  CAIRN_CHECK(name.empty() ? choice.take_all() : choice.take_versions(name));
  CAIRN_CHECK(choice.note_types());
  return std::move(choice).in_log_order();
}

}  // namespace cairn
