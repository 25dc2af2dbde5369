// SPDX-License-Identifier: Apache-2.0
//
// Encodes one block again, whole or as the difference from another, for optimize().
#pragma once

#include <vector>

#include "api/src/optimize_choice.h"
#include "engine/codec/block_codec.h"

namespace cairn {

// Bases that go together.
struct CandidateBases {
  std::vector<Digest> bases;
  std::size_t depth = 0;  // of the longest chain that the block would have
};

struct Recoded {
  bool gone = false, damaged = false;
  bool whole = false;  // or from other bases, instead of the delta that it is
  CodecId codec = CodecId::raw;
  std::vector<std::byte> payload;  // empty: it gets no smaller
  std::vector<Digest> bases;       // of a delta
  std::int64_t deeper = 0;         // what longer chains than before are to cost, in bytes; less than 0: shorter

  std::uint64_t stored_bytes() const;  // as a record's payload
  std::int64_t cost() const { return static_cast<std::int64_t>(stored_bytes()) + deeper; }
};

// Any thread.
class BlockRecoder {
 public:
  BlockRecoder(StoreImpl& store, const OptimizeOptions& options) : store_(store), options_(options) {}

  // Whether `now` is to take the place of what is at `before`.
  bool is_worth_it(const Recoded& now, const RecordLocation& before) const;
  // Each of `candidates` is tried as well. `depth` is that of the block's chain now. `whole`: it is no more to rely on
  // what it does, however large it gets. What is returned was decoded again, to the same content.
  Result<Recoded> recode(const ChosenBlock& block, std::size_t depth, const std::vector<CandidateBases>& candidates,
                         bool whole) const;

 private:
  Result<Block> read_base(const Digest& base) const;

  StoreImpl& store_;
  const OptimizeOptions& options_;
};

}  // namespace cairn
