// SPDX-License-Identifier: Apache-2.0
//
// Of blocks that took each other's place from version to version, which stay whole and which rely on them.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "api/src/delta_graph.h"

namespace cairn {

using DigestMap = std::unordered_map<Digest, Digest>;
using DigestSet = std::unordered_set<Digest>;

// What a block is to be the difference from; keyframes are in neither.
struct Keyframes {
  DigestMap of;       // settled: a keyframe
  DigestMap in_turn;  // not yet: what took its place
};

// For every block that has one in `newer`. From the oldest on, the ninth block that is whole is a keyframe, and the
// eight before it rely on it: that is one read more for each. The last few rely on each other in turn, up to what is in
// the newest version, as each save would write all of them again otherwise; where four do, that is a keyframe. What was
// a keyframe remains one, and what is in `kept` is one.
Keyframes choose_keyframes(const DigestMap& newer, const DigestSet& newest, const DigestSet& kept,
                           const DeltaGraph& graph);

}  // namespace cairn
