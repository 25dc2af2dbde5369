// SPDX-License-Identifier: Apache-2.0
#include "api/src/similar_tensors.h"

#include <algorithm>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "engine/codec/sketch.h"
#include "engine/reclaim/findings.h"

namespace cairn {
namespace {

std::size_t hash_of(const SketchedTensor& tensor, std::size_t band, std::uint16_t bits) {
  std::vector<std::uint64_t> words = tensor.shape;
  words.push_back(static_cast<std::uint64_t>(tensor.dtype));
  words.push_back(band << 16 | bits);
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(words.data()), words.size() * sizeof(words[0])});
}

bool alike(const SketchedTensor& a, const SketchedTensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.blocks.size() == b.blocks.size();
}

const Digest& sampled_block(const SketchedTensor& tensor) { return tensor.blocks[tensor.blocks.size() / 2]; }

// Places of tensors that may resemble another, in their order. Of those that are the same, the first.
std::vector<std::size_t> comparable(const std::vector<SketchedTensor>& tensors) {
  std::map<std::pair<DType, std::vector<std::uint64_t>>, std::size_t> count;
  std::unordered_map<Digest, std::size_t> first;  // by the block that is sampled
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].blocks.empty()) continue;
    const auto [known, fresh] = first.try_emplace(sampled_block(tensors[i]), i);
    if (!fresh && alike(tensors[i], tensors[known->second]) && tensors[i].blocks == tensors[known->second].blocks) {
      continue;
    }
    ++count[{tensors[i].dtype, tensors[i].shape}];
    places.push_back(i);
  }
  std::erase_if(places, [&](std::size_t i) { return count[{tensors[i].dtype, tensors[i].shape}] < 2; });
  return places;
}

class Leaders {
 public:
  explicit Leaders(const std::vector<SketchedTensor>& tensors) : tensors_(tensors) {}

  std::optional<SimilarMatch> nearest(std::size_t tensor, const Sketch& sketch) {
    const SketchedTensor& one = tensors_[tensor];
    std::optional<SimilarMatch> best;
    ++queries_;
    for (std::size_t band = 0; band < Sketch::kBands; ++band) {
      const auto found = by_band_.find(hash_of(one, band, sketch.bands[band]));
      if (found == by_band_.end()) continue;
      const std::size_t looked_at = std::min(found->second.size(), kLookedAtMax);
      for (const std::size_t number : std::span(found->second).first(looked_at)) {
        Leader& leader = leaders_[number];
        if (std::exchange(leader.query, queries_) == queries_ || !alike(one, tensors_[leader.tensor])) continue;
        const double distance = cairn::distance(sketch, leader.sketch, one.dtype);
        if (distance <= similar_distance(sketch, one.dtype) && (!best || distance < best->distance)) {
          best = SimilarMatch{.leader = leader.tensor, .distance = distance};
        }
      }
    }
    return best;
  }

  void add(std::size_t tensor, const Sketch& sketch) {
    for (std::size_t band = 0; band < Sketch::kBands; ++band) {
      by_band_[hash_of(tensors_[tensor], band, sketch.bands[band])].push_back(leaders_.size());
    }
    leaders_.push_back({tensor, sketch});
  }

 private:
  struct Leader {
    std::size_t tensor;
    Sketch sketch;
    std::size_t query = 0;  // that looked at it last
  };
  // Of one band: unlike content shares few, and what is all alike, as constants are, any of them.
  static constexpr std::size_t kLookedAtMax = 256;

  const std::vector<SketchedTensor>& tensors_;
  std::vector<Leader> leaders_;
  std::size_t queries_ = 0;
  // By what they have in common with those that they may lead, and one of the sketch's bands.
  std::unordered_map<std::size_t, std::vector<std::size_t>> by_band_;
};

}  // namespace

Result<std::vector<std::optional<SimilarMatch>>> find_similar(StoreImpl& store,
                                                              const std::vector<SketchedTensor>& tensors,
                                                              const std::function<Status()>& check_stop) {
  Leaders leaders(tensors);
  std::vector<std::optional<SimilarMatch>> matches(tensors.size());
  const std::vector<std::size_t> places = comparable(tensors);
  auto next = [&, at = places.begin()]() mutable -> Result<std::optional<std::size_t>> {
    CAIRN_CHECK(check_stop());
    return at == places.end() ? std::optional<std::size_t>() : std::optional(*at++);
  };
  const auto work = [&](std::size_t place) -> Result<std::optional<Sketch>> {
    const SketchedTensor& tensor = tensors[place];
    CAIRN_TRY(const auto at, store.index().find_block(sampled_block(tensor)));
    if (!at || at->logical_bytes < kSketchBytesMin) return std::optional<Sketch>();
    const auto block = store.blocks().read_block(sampled_block(tensor));
    if (!block.ok() && !is_damage(block.error())) return block.error();
    if (!block.ok() || block->content.size() < kSketchBytesMin) return std::optional<Sketch>();
    return std::optional(sketch_of(block->content, tensor.dtype));
  };
  const auto consume = [&](std::size_t place, const std::optional<Sketch>& sketch) -> Status {
    if (!sketch) return {};
    matches[place] = leaders.nearest(place, *sketch);
    if (!matches[place]) leaders.add(place, *sketch);
    return {};
  };
  Status worked = parallel_in_order<std::size_t, std::optional<Sketch>>(store.pool(), 2 * store.pool().threads() + 2,
                                                                        next, work, consume);
  CAIRN_CHECK(worked);
  return matches;
}

}  // namespace cairn
