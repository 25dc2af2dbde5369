// SPDX-License-Identifier: Apache-2.0
//
// Archive::similar: sketches say who is compared with whom, and all elements how much they resemble each other.
#include <algorithm>
#include <map>

#include "api/src/names_by_age.h"
#include "api/src/ref_name.h"
#include "api/src/similar_tensors.h"
#include "api/src/tree_tensors.h"
#include "engine/base/progress_meter.h"
#include "engine/codec/block_codec.h"
#include "engine/delta/comparison.h"
#include "engine/format/delta_head.h"
#include "engine/read/file_pieces.h"

namespace cairn {
namespace {

struct Found {
  TensorPlace place;
  Digest id;
  std::uint64_t bytes = 0;
  bool wanted = false;
};

// Of tensors with one id, the first, or the one that is wanted.
struct Distinct {
  std::size_t found = 0;
  bool wanted = false;
};

class Search {
 public:
  Search(StoreImpl& store, const SimilarOptions& options, const Progress& progress)
      : store_(store), options_(options), meter_(progress, "similar", 0) {}

  Result<SimilarReport> run() {
    CAIRN_CHECK(find_tensors());
    count_same();
    CAIRN_TRY(const auto matches, find_similar(store_, sketched_, [this] { return meter_.check_stop(); }));
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    for (std::size_t i = 0; i < matches.size(); ++i) {
      if (matches[i] && distinct_[i].wanted) pairs.emplace_back(i, matches[i]->leader);
    }
    CAIRN_CHECK(compare(pairs));
    std::ranges::stable_sort(report_.similar, {}, [](const SimilarTensors& one) {
      return static_cast<double>(one.delta_bytes) / static_cast<double>(one.bytes);
    });
    return std::move(report_);
  }

 private:
  // A name that is asked for comes last: its tensors are compared with others, and not others with them.
  Status find_tensors() {
    CAIRN_TRY(std::vector<RefRecord> refs, newest_by_age(store_));
    if (!options_.name.empty()) {
      CAIRN_TRY(RefRecord wanted, resolve_ref(store_, options_.name));
      std::erase_if(refs, [&](const RefRecord& ref) { return ref.name == wanted.name; });
      refs.push_back(std::move(wanted));
    }
    for (std::size_t i = 0; i < refs.size(); ++i) {
      CAIRN_CHECK(meter_.check_stop());
      CAIRN_CHECK(find_in(refs[i], options_.name.empty() || i + 1 == refs.size()));
    }
    return {};
  }

  Status find_in(const RefRecord& ref, bool wanted) {
    const auto tree = load_ref_tree(store_, ref);
    if (!tree.ok()) return passed_over(tree.error());
    const std::string name = ref.name + "@" + std::to_string(ref.version);
    return for_each_tensor(store_.blocks(), *tree, [&](const TreeTensor& tensor) -> Status {
      const auto manifest = load_tensor(store_.blocks(), tensor.id);
      if (!manifest.ok()) return passed_over(manifest.error());
      found_.push_back({{name, tensor.path, tensor.name}, tensor.id, manifest->bytes, wanted});
      return take(*manifest);
    });
  }

  Status take(const TensorManifest& manifest) {
    const Found& found = found_.back();
    ++report_.tensors;
    report_.bytes += found.bytes;
    const auto [known, first] = places_.try_emplace(found.id);
    known->second.push_back(found_.size() - 1);
    if (!first) {
      // Damaged ones have no number.
      const auto number = number_.find(found.id);
      if (number != number_.end() && found.wanted) distinct_[number->second] = {found_.size() - 1, true};
      return {};
    }
    const auto pieces = pieces_of_blob(store_.blocks(), manifest.blob, manifest.bytes);
    if (!pieces.ok()) return passed_over(pieces.error());
    SketchedTensor sketched{manifest.dtype, manifest.shape, {}};
    for (const Piece& piece : pieces->pieces) sketched.blocks.push_back(piece.block.digest);
    number_[found.id] = distinct_.size();
    distinct_.push_back({found_.size() - 1, found.wanted});
    sketched_.push_back(std::move(sketched));
    return {};
  }

  void count_same() {
    for (const auto& [id, places] : places_) {
      const auto wanted = [this](std::size_t i) { return found_[i].wanted; };
      if (places.size() < 2 || std::ranges::none_of(places, wanted)) continue;
      SameTensors same{.id = store_.id_text(id), .bytes = found_[places.front()].bytes, .places = {}};
      for (const std::size_t i : places) same.places.push_back(found_[i].place);
      report_.same_bytes += (places.size() - 1) * same.bytes;
      report_.same.push_back(std::move(same));
    }
    std::ranges::stable_sort(report_.same, std::greater(),
                             [](const SameTensors& same) { return (same.places.size() - 1) * same.bytes; });
  }

  Status compare(const std::vector<std::pair<std::size_t, std::size_t>>& pairs) {
    auto next = [&, at = pairs.begin()]() mutable -> Result<std::optional<std::pair<std::size_t, std::size_t>>> {
      CAIRN_CHECK(meter_.check_stop());
      return at == pairs.end() ? std::optional<std::pair<std::size_t, std::size_t>>() : std::optional(*at++);
    };
    const auto work = [this](const auto& pair) { return compare_two(pair.first, pair.second); };
    const auto consume = [this](const auto&, std::optional<SimilarTensors> similar) -> Status {
      if (!similar) return {};
      meter_.add(similar->bytes);
      report_.saved_bytes += similar->stored_bytes - std::min(similar->stored_bytes, similar->delta_bytes);
      report_.similar.push_back(std::move(*similar));
      return {};
    };
    Status compared = parallel_in_order<std::pair<std::size_t, std::size_t>, std::optional<SimilarTensors>>(
        store_.pool(), store_.pool().threads() + 1, next, work, consume);
    return compared;
  }

  // Nothing when either is damaged, or their blocks do not lie beside each other.
  Result<std::optional<SimilarTensors>> compare_two(std::size_t one, std::size_t other) {
    const Found& tensor = found_[distinct_[one].found];
    const Found& like = found_[distinct_[other].found];
    const SketchedTensor &of = sketched_[one], &from = sketched_[other];
    SimilarTensors similar{.place = tensor.place,
                           .like = like.place,
                           .id = store_.id_text(tensor.id),
                           .like_id = store_.id_text(like.id),
                           .tensor = {.dtype = of.dtype, .shape = of.shape},
                           .bytes = tensor.bytes,
                           .difference = {}};
    Comparison comparison(of.dtype);
    const std::size_t width = std::max(1U, dtype_bits(of.dtype) / 8);
    BlockEncoder encoder;
    for (std::size_t i = 0; i < of.blocks.size(); ++i) {
      CAIRN_CHECK(meter_.check_stop());
      CAIRN_TRY(const auto at, store_.index().find_block(of.blocks[i]));
      const auto a = store_.blocks().read_block(of.blocks[i]);
      const auto b = store_.blocks().read_block(from.blocks[i]);
      for (const auto* read : {&a, &b}) {
        if (read->ok()) continue;
        CAIRN_CHECK(passed_over(read->error()));
        return std::optional<SimilarTensors>();
      }
      // The same bytes may be cut in more than one way, when they were no tensor at first: also within an element.
      if (!at || a->content.size() != b->content.size() || a->content.size() % width != 0) {
        return std::optional<SimilarTensors>();
      }
      comparison.add(a->content, b->content);
      similar.stored_bytes += at->stored_bytes;
      if (of.blocks[i] == from.blocks[i]) continue;
      const Bytes bases[] = {b->content};
      const Encoded encoded = encoder.encode_delta(a->content, of.dtype, bases);
      similar.delta_bytes += encoded.payload.size() + DeltaHead{.bases = {from.blocks[i]}}.encoded_bytes();
    }
    similar.difference = comparison.finish();
    return std::optional(std::move(similar));
  }

  StoreImpl& store_;
  const SimilarOptions options_;
  ProgressMeter meter_;
  SimilarReport report_;
  std::vector<Found> found_;
  std::map<Digest, std::vector<std::size_t>> places_;  // by id, in found_
  std::map<Digest, std::size_t> number_;               // by id, in the next two
  std::vector<Distinct> distinct_;
  std::vector<SketchedTensor> sketched_;
};

}  // namespace

Result<SimilarReport> Archive::similar(const SimilarOptions& options, const Progress& progress) {
  CAIRN_CHECK(store_->follow());
  return Search(*store_, options, progress).run();
}

}  // namespace cairn
