// SPDX-License-Identifier: Apache-2.0
#include "api/src/base_choice.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "api/src/names_by_age.h"
#include "api/src/ref_name.h"
#include "api/src/tree_tensors.h"
#include "engine/read/file_pieces.h"

namespace cairn {
namespace {

// What a tensor must have in common with one in a newer version. Equal names within one file are
// told apart by their order.
using Alike = std::tuple<std::string, std::size_t, DType, std::vector<std::uint64_t>>;

struct FoundTensor {
  std::string path;  // of its file
  Alike alike;
  Digest id, blob;
  std::uint64_t bytes = 0;
};

// A tensor from version to version.
struct Followed {
  Digest id;
  std::vector<Digest> blocks;
  std::uint64_t version = 0;  // the latest that has it
};

// The versions of one name, from the oldest on. What cannot be read is passed over: check() names it.
class NameWalk {
 public:
  // Without a place to put it, it only finds which tensors the last version has.
  NameWalk(StoreImpl& store, VersionOrder* order, PredictingBases* predicting)
      : store_(store), order_(order), predicting_(predicting) {}

  Status take(const RefRecord& ref) {
    version_ = ref.version;
    found_.clear();
    const auto tree = load_ref_tree(store_, ref);
    if (!tree.ok()) return passed_over(tree.error());
    const auto visit = [this](const TreeTensor& tensor) { return find_tensor(tensor); };
    CAIRN_CHECK(for_each_tensor(store_.blocks(), *tree, visit));
    // Those of the same path first: what is left may have moved, as from step-100/ to step-200/.
    for (const bool same_path : {true, false}) {
      for (const FoundTensor& tensor : found_) CAIRN_CHECK(follow(tensor, same_path));
    }
    if (predicting_ != nullptr) predict();
    return {};
  }

  void end() {
    for (const auto& [alike, tensors] : tensors_) {
      for (const auto& [path, tensor] : tensors) note_last(tensor, tensor.version);
    }
  }
  // Those of the version that was taken last.
  std::vector<SketchedTensor> tensors() const {
    std::vector<SketchedTensor> found;
    for (const auto& [alike, tensors] : tensors_) {
      for (const auto& [path, tensor] : tensors) {
        if (tensor.version == version_) found.push_back({std::get<2>(alike), std::get<3>(alike), tensor.blocks});
      }
    }
    return found;
  }

 private:
  Status find_tensor(const TreeTensor& found) {
    const auto tensor = load_tensor(store_.blocks(), found.id);
    if (!tensor.ok()) return passed_over(tensor.error());
    found_.push_back({found.path, Alike(found.name, found.number, tensor->dtype, tensor->shape), found.id, tensor->blob,
                      tensor->bytes});
    return {};
  }

  Status follow(const FoundTensor& tensor, bool same_path) {
    ByPath& alike = tensors_[tensor.alike];
    const auto of_path = alike.find(tensor.path);
    if (same_path) return of_path == alike.end() ? Status() : go_on(of_path->second, tensor);
    if (of_path != alike.end()) return {};
    const auto left = std::ranges::find_if(alike, [&](const auto& one) { return one.second.version != version_; });
    if (left == alike.end()) return go_on(alike[tensor.path], tensor);
    auto moved = alike.extract(left);
    moved.key() = tensor.path;
    return go_on(alike.insert(std::move(moved)).position->second, tensor);
  }

  Status go_on(Followed& followed, const FoundTensor& tensor) {
    const std::uint64_t before = std::exchange(followed.version, version_);
    if (followed.id == tensor.id && !followed.blocks.empty()) return {};
    const auto pieces = pieces_of_blob(store_.blocks(), tensor.blob, tensor.bytes);
    if (!pieces.ok()) return passed_over(pieces.error());
    std::vector<Digest> blocks;
    blocks.reserve(pieces->pieces.size());
    for (const Piece& piece : pieces->pieces) blocks.push_back(piece.block.digest);
    for (std::size_t i = 0; order_ != nullptr && i < blocks.size() && i < followed.blocks.size(); ++i) {
      if (followed.blocks[i] != blocks[i]) order_->newer[followed.blocks[i]] = blocks[i];
    }
    note_last(followed, before);
    followed.id = tensor.id;
    followed.blocks = std::move(blocks);
    return {};
  }

  void note_last(const Followed& tensor, std::uint64_t version) {
    if (order_ == nullptr) return;
    for (const Digest& block : tensor.blocks) {
      auto& last = order_->last[block];
      last = {order_->names, last.name == order_->names ? std::max(last.version, version) : version};
    }
  }

  // Weights and moments may lie in different files.
  void predict() {
    std::vector<VersionTensor> now;
    now.reserve(found_.size());
    for (const FoundTensor& tensor : found_) {
      const ByPath& alike = tensors_[tensor.alike];
      const auto followed = alike.find(tensor.path);
      if (followed == alike.end()) continue;
      const auto& [name, number, dtype, shape] = tensor.alike;
      now.push_back({name, dtype, shape, followed->second.blocks});
    }
    add_adam_bases(before_, now, *predicting_);
    before_ = std::move(now);
  }

  using ByPath = std::map<std::string, Followed>;

  StoreImpl& store_;
  VersionOrder* const order_;
  PredictingBases* const predicting_;
  std::vector<VersionTensor> before_;  // of the version before
  std::vector<FoundTensor> found_;     // in the version at hand
  std::map<Alike, ByPath> tensors_;
  std::uint64_t version_ = 0;
};

}  // namespace

Status BaseChoice::find(StoreImpl& store, const std::string& name, const std::function<Status()>& check_stop) {
  CAIRN_TRY(const std::vector<RefRecord> names, newest_by_age(store));
  std::vector<SketchedTensor> newest;
  std::vector<bool> wanted;  // for each of them
  for (const RefRecord& last : names) {
    const bool asked = name.empty() || last.name == name;
    if (asked) ++order_.names;
    NameWalk walk(store, asked ? &order_ : nullptr, asked ? &predicting_ : nullptr);
    std::vector<RefRecord> versions;
    const auto collect = [&](RefRecord ref) -> Result<bool> {
      ref.tags.clear();
      versions.push_back(std::move(ref));
      return true;
    };
    CAIRN_CHECK(store.index().for_each_version(last.name, asked ? 0 : last.version, collect));
    for (const RefRecord& ref : versions) {
      CAIRN_CHECK(check_stop());
      CAIRN_CHECK(walk.take(ref));
    }
    walk.end();
    for (SketchedTensor& tensor : walk.tensors()) {
      newest_.insert(tensor.blocks.begin(), tensor.blocks.end());
      newest.push_back(std::move(tensor));
      wanted.push_back(asked);
    }
  }
  return find_similar_ones(store, newest, wanted, check_stop);
}

Status BaseChoice::find_similar_ones(StoreImpl& store, const std::vector<SketchedTensor>& newest,
                                     const std::vector<bool>& wanted, const std::function<Status()>& check_stop) {
  CAIRN_TRY(const auto matches, find_similar(store, newest, check_stop));
  DigestSet relied_on;
  for (const auto& match : matches) {
    if (match) relied_on.insert(newest[match->leader].blocks.begin(), newest[match->leader].blocks.end());
  }
  for (std::size_t i = 0; i < newest.size(); ++i) {
    if (!wanted[i] || !matches[i]) continue;
    const SketchedTensor& leader = newest[matches[i]->leader];
    for (std::size_t k = 0; k < newest[i].blocks.size(); ++k) {
      const Digest& block = newest[i].blocks[k];
      if (!relied_on.contains(block)) similar_.try_emplace(block, leader.blocks[k]);
    }
  }
  return {};
}

void BaseChoice::settle(const DeltaGraph& graph, const DigestSet& kept) {
  keyframes_ = choose_keyframes(order_.newer, newest_, kept, graph);
  // What predicts a block lies in the version that its keyframe is in.
  for (auto& [block, bases] : predicting_) {
    if (!keyframes_.of.contains(block)) continue;
    for (std::size_t i = 0; i < bases.bases.size(); ++i) {
      const auto keyframe = i == bases.of_its_version ? keyframes_.of.end() : keyframes_.of.find(bases.bases[i]);
      if (keyframe != keyframes_.of.end()) bases.bases[i] = keyframe->second;
    }
  }
}

std::vector<std::vector<Digest>> BaseChoice::candidates(const Digest& block) const {
  std::vector<std::vector<Digest>> found;
  const auto add = [&](const DigestMap& bases) {
    const auto base = bases.find(block);
    if (base != bases.end()) found.push_back({base->second});
  };
  add(similar_);
  if (newest_.contains(block)) return found;
  add(keyframes_.of);
  add(keyframes_.in_turn);
  const auto predicting = predicting_.find(block);
  if (predicting != predicting_.end()) found.push_back(predicting->second.bases);
  return found;
}

bool BaseChoice::is_older(const Digest& other, const Digest& block) const {
  const auto a = order_.last.find(other), b = order_.last.find(block);
  return a != order_.last.end() && b != order_.last.end() && a->second.name == b->second.name &&
         a->second.version < b->second.version;
}

}  // namespace cairn
