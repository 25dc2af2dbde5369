// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "api/cli/verb.h"

namespace cairn::cli {

std::span<const Verb* const> all_verbs() {
  static constexpr std::array kVerbs = {
      &kInit,   &kAdd,     &kGet,         &kCat,     &kTensor, &kLs,     &kShow,     &kDiff,   &kSimilar,
      &kLog,    &kTag,     &kRm,          &kForget,  &kStats,  &kGc,     &kOptimize, &kClone,  &kCheck,
      &kRepair, &kResults, &kExperiments, &kMetrics, &kOps,    &kMirror, &kArtifact, &kDoctor, &kCompletion};
  return kVerbs;
}

}  // namespace cairn::cli
