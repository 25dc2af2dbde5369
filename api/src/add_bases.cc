// SPDX-License-Identifier: Apache-2.0
#include "api/src/add_bases.h"

#include <algorithm>
#include <mutex>

#include "api/src/ref_name.h"
#include "api/src/tree_tensors.h"
#include "engine/index/block_chain.h"
#include "engine/io/read_twice.h"
#include "engine/read/file_pieces.h"

namespace cairn {
namespace {

// Of one tensor: a file may have moved, and of many that hold the same names one is as good as another.
constexpr std::size_t kAlikeMax = 4;

// A tensor that is added, and those that may be its base, the likeliest first.
struct Tensor {
  const TensorRegion* region = nullptr;
  std::vector<Digest> alike;
  std::once_flag once;
  std::vector<BlockRef> blocks;  // of the base, once a block has asked
  BaseTrials trials;
};

std::vector<BlockRef> blocks_of(BlockReader& reader, const Tensor& tensor) {
  for (const Digest& id : tensor.alike) {
    const auto base = load_tensor(reader, id);
    if (!base.ok() || base->dtype != tensor.region->dtype || base->shape != tensor.region->shape ||
        base->attribute != tensor.region->attribute || base->bytes != tensor.region->length) {
      continue;
    }
    const auto pieces = pieces_of_blob(reader, base->blob, base->bytes);
    if (!pieces.ok()) continue;
    std::vector<BlockRef> blocks;
    blocks.reserve(pieces->pieces.size());
    for (const Piece& piece : pieces->pieces) blocks.push_back(piece.block);
    return blocks;
  }
  return {};
}

}  // namespace

class AddBases::OfFile final : public BaseSource {
 public:
  OfFile(StoreImpl& store, BaseTrials& trials, std::vector<Tensor> tensors)
      : store_(store), trials_(trials), tensors_(std::move(tensors)) {}

  std::optional<Base> find(std::size_t number_of_tensor, std::size_t number, std::uint32_t bytes) override {
    Tensor& tensor = tensors_[number_of_tensor];
    if (tensor.alike.empty()) return {};
    std::call_once(tensor.once, [&] { tensor.blocks = blocks_of(store_.blocks(), tensor); });
    if (number >= tensor.blocks.size() || tensor.blocks[number].bytes != bytes) return {};
    if (!tensor.trials.may_try(bytes) || !trials_.may_try(bytes)) return {};
    auto base = fit_base(tensor.blocks[number].digest, bytes);
    if (!base) tried(number_of_tensor, bytes, false);
    return base;
  }

  void tried(std::size_t tensor, std::uint32_t bytes, bool smaller) override {
    tensors_[tensor].trials.tried(bytes, smaller);
    trials_.tried(bytes, smaller);
  }

  void relies(const Digest& block, const Digest& base) override { store_.delta_news().tell(block, base); }

 private:
  // Nothing relies on a delta but where optimize() has made it: what that one relies on is asked for in its place.
  std::optional<Base> fit_base(Digest digest, std::uint32_t bytes) {
    auto at = store_.index().find_block(digest);
    if (at.ok() && *at && has_parts(**at)) {
      const auto bases = store_.blocks().bases_of(digest, **at);
      if (!bases.ok() || bases->size() != 1) return {};
      digest = bases->front().id;
      at = store_.index().find_block(digest);
    }
    if (!at.ok() || !is_fit_as_base(*at, bytes)) return {};
    auto block = read_twice([&] { return store_.blocks().read_block(digest); });
    if (!block.ok() || block->content.size() != bytes) return {};
    return Base{.digest = digest, .hold = std::move(block->hold), .content = block->content};
  }

  StoreImpl& store_;
  BaseTrials& trials_;
  std::vector<Tensor> tensors_;
};

// Not before there is a file that is read: what is unchanged needs none of it.
void AddBases::load() {
  if (std::exchange(loaded_, true)) return;
  const auto tree = load_ref_tree(store_, version_);
  if (!tree.ok()) return;
  const auto take = [this](const TreeTensor& tensor) -> Status {
    tensors_[{tensor.name, tensor.number}].emplace(tensor.path, tensor.id);
    return {};
  };
  // What cannot be read is as if it were not there.
  (void)for_each_tensor(store_.blocks(), *tree, take);
}

std::unique_ptr<BaseSource> AddBases::of_file(const std::string& path, const ModelFile& model) {
  load();
  std::vector<Tensor> tensors(model.tensors.size());
  std::map<std::string, std::size_t> seen;
  bool any = false;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].region = &model.tensors[i];
    const std::size_t number = seen[model.tensors[i].name]++;
    const auto known = tensors_.find({model.tensors[i].name, number});
    if (known == tensors_.end()) continue;
    const ByPath& by_path = known->second;
    if (const auto same = by_path.find(path); same != by_path.end()) tensors[i].alike.push_back(same->second);
    for (auto one = by_path.begin(); one != by_path.end() && tensors[i].alike.size() < kAlikeMax; ++one) {
      if (one->first != path) tensors[i].alike.push_back(one->second);
    }
    any = any || !tensors[i].alike.empty();
  }
  return any ? std::make_unique<OfFile>(store_, trials_, std::move(tensors)) : nullptr;
}

}  // namespace cairn
