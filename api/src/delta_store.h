// SPDX-License-Identifier: Apache-2.0
//
// What the calls of Deltas share: finding deltas and bases, and describing them.
#pragma once

#include "api/src/tensor_reader.h"
#include "engine/delta/delta_plan.h"

namespace cairn {

// A delta that is stored, with its names.
struct FoundDelta {
  Digest id;
  DeltaManifest manifest;
  std::vector<Root> roots;
};
Result<std::optional<FoundDelta>> find_delta(StoreImpl& store, const std::string& id);
Result<FoundDelta> find_delta_or_fail(StoreImpl& store, const std::string& id);

Result<DeltaInfo> describe_delta(StoreImpl& store, const FoundDelta& found);
// The same without names.
Result<DeltaInfo> describe_delta(StoreImpl& store, const Digest& id, const DeltaManifest& delta);

// not_found when the store has no tensor with that id, corruption when it has not all of it.
Result<ReadableTensor> open_base(StoreImpl& store, const DeltaBase& base);
// invalid_argument unless the base has the target's dtype and shape.
Status check_base(const ReadableTensor& target, const ReadableTensor& base);

// Calls for each piece of both, in order. False ends it.
template <class F>
Status for_each_piece(const ReadableTensor& target, const ReadableTensor& base, F&& piece) {
  for (std::uint64_t at = 0; at < target.bytes; at += kDeltaPieceBytes) {
    const std::size_t bytes = std::min<std::uint64_t>(kDeltaPieceBytes, target.bytes - at);
    CAIRN_TRY(const Bytes of_target, target.content->read(at, bytes));
    CAIRN_TRY(const Bytes of_base, base.content->read(at, bytes));
    CAIRN_TRY(const bool more, piece(at, of_target, of_base));
    if (!more) return {};
  }
  return {};
}

}  // namespace cairn
