// SPDX-License-Identifier: Apache-2.0
//
// Delta objects: a tensor stored as its difference from another, its base, which the delta keeps in the store.
//
// A delta is an object of its own, with an id, names and attributes: Store::describe, list and remove know it, too.
// What it gives is checked against an id each time. If its kind is lossless, that is the target's, bit for bit;
// otherwise that of what it gave when it was stored, and every element was within the bound.
//
// That blocks of plain objects and files may be stored as differences, too, is another matter, and not seen from
// outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "cairn/delta_kind.h"
#include "cairn/objects.h"
#include "cairn/result.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

// A tensor in the caller's memory.
struct TensorBytes {
  std::span<const std::byte> bytes;
  TensorLayout layout;
};

// The id of a tensor that the store holds, in whatever: an object, a model, a checkpoint, as the base of another delta
// (but not what another delta gives). Or one that is put along: it has no name then, and stays for as long as something
// refers to it. Of the target's dtype and shape; row-major and little-endian, as the target is.
using DeltaBase = std::variant<std::string, TensorBytes>;

struct DeltaOptions {
  // One that does not suit the dtype is ErrorCode::invalid_argument. whole: stores the target itself.
  DeltaKind kind = DeltaKind::ulp_grouped;
  // Of int8, int16 and axis_scaled: no element is farther from the target than this. Nothing: steps are as large as the
  // largest difference asks for (of axis_scaled, that of each slice), and the bound is the largest error there is then.
  // What cannot be kept within it (NaNs, infinities, what steps do not reach) is stored as it is, exactly.
  std::optional<double> max_error = {};
  double threshold = 0;    // of sparse: differences up to this are dropped, which is the bound
  std::uint32_t axis = 0;  // of axis_scaled

  // What fails these is stored whole, as itself: nothing else is ever taken for it.
  std::uint64_t minimum_bytes = 4096;  // targets with less are not worth a delta
  double maximum_ratio = 0.9;          // of the delta's stored bytes to the target's

  std::string name = {};  // see Put::name
  Attributes attributes = {};
};

struct DeltaInfo {
  std::string id;
  DeltaKind kind = DeltaKind::whole;
  TensorLayout tensor;             // of the target; no strides
  std::uint64_t bytes = 0;         // of the target
  std::uint64_t stored_bytes = 0;  // that the delta takes, without its base; of whole, that the content takes
  std::string target;              // tensor id
  std::string result;              // of what load() gives: the target, unless the kind is lossy
  std::string base;                // tensor id; empty: it is whole
  double max_error = 0;            // promised, of every element; 0 of lossless kinds
  double largest_error = 0;        // that there is
  std::uint64_t exceptions = 0;    // elements that a lossy kind keeps exactly
  std::optional<std::uint32_t> axis;
  std::vector<ObjectName> names;  // by name; at least one, which may be empty

  bool lossless() const { return is_lossless(kind); }
  double ratio() const { return bytes == 0 ? 1 : static_cast<double>(stored_bytes) / static_cast<double>(bytes); }
};

struct StoredDelta {
  DeltaInfo delta;            // with the name that was given
  std::string whole_because;  // why it is DeltaKind::whole; empty: it is not
};

struct DeltaPage {
  std::vector<DeltaInfo> deltas;  // by id
  std::string next;               // the cursor for the page behind; empty: this was the last
};

// How two tensors of the same dtype and shape differ.
struct DeltaStatistics {
  std::uint64_t elements = 0;
  std::uint64_t equal = 0;  // elements with the same bits
  // Of numbers, complex ones as two each; absent of other elements.
  struct Numbers {
    std::uint64_t compared = 0;  // pairs of finite numbers; what follows is of these
    double max_difference = 0;   // absolute
    double mean_difference = 0;  // absolute
    double l2 = 0;               // norm of the difference
    double cosine = 1;           // of the angle between the two; 1 if either is zero
    double zeros = 0;            // share of them that are zero in the target
  };
  std::optional<Numbers> numbers;

  double changed() const {  // share of elements
    return elements == 0 ? 0 : static_cast<double>(elements - equal) / static_cast<double>(elements);
  }
};

struct DeltaLimits {
  // With it, lossy kinds that keep it are among those that are looked at. sparse takes it for its threshold.
  std::optional<double> max_error = {};
  std::uint32_t axis = 0;              // of axis_scaled, if the tensor has it
  std::uint64_t minimum_bytes = 4096;  // see DeltaOptions
  double maximum_ratio = 0.9;
};

struct DeltaRecommendation {
  struct Candidate {
    DeltaKind kind = DeltaKind::whole;
    std::uint64_t bytes = 0;  // that it would take, from a sample of the elements
  };
  std::vector<Candidate> candidates;  // every kind that suits the tensor, whole among them; the smallest first
  DeltaKind kind = DeltaKind::whole;  // the choice
  std::string reason;
};

class StoreImpl;

// Borrows its Store; any number of threads. What was put by this handle of the store before is found.
class Deltas {
 public:
  // Durable and visible once this returns, whole or not at all. Has the log's turn, so that others who write wait;
  // memory stays unchanged meanwhile. What was written of a delta that is too large is dead, for gc(). not_found when
  // the store has no tensor with the base's id, corruption when that one is damaged.
  Result<StoredDelta> store(const TensorBytes& target, const DeltaBase& base, const DeltaOptions& options = {});

  // The tensor, row-major and verified. not_found when no such delta is stored, here and below.
  Result<std::vector<std::byte>> load(const std::string& id);
  // `into` has DeltaInfo::bytes. On failure it holds rubbish.
  Status load_into(const std::string& id, std::span<std::byte> into);
  // The same from the caller's own base: nothing of the stored one is read. invalid_argument when it is another tensor
  // than the delta was made from. `into` is no part of its memory. A whole delta needs no base, and does not look at
  // it.
  Status apply(const std::string& id, const TensorBytes& base, std::span<std::byte> into);

  Result<bool> contains(const std::string& id);
  // Nothing when there is no such delta.
  Result<std::optional<DeltaInfo>> info(const std::string& id);
  // At most `limit` deltas behind `cursor` (of an earlier page; empty: from the first). Walks over all objects.
  Result<DeltaPage> list(const std::string& cursor = {}, std::size_t limit = 1000);
  // Removes all names of a delta, durably; false when there is no such delta. The base stays for as long as something
  // else needs it.
  Result<bool> remove(const std::string& id);

  // Store nothing.
  Result<DeltaStatistics> compare(const TensorBytes& target, const DeltaBase& base);
  Result<DeltaRecommendation> recommend(const TensorBytes& target, const DeltaBase& base,
                                        const DeltaLimits& limits = {});

 private:
  friend class Store;
  explicit Deltas(StoreImpl& store) : store_(&store) {}
  StoreImpl* store_;
};

}  // namespace cairn
#pragma GCC visibility pop
