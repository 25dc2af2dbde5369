// SPDX-License-Identifier: Apache-2.0
//
// What a verb of the command is, and the table of all of them. Each verb_*.cc declares one.
#pragma once

#include <functional>
#include <span>

#include "api/cli/session.h"
#include "api/cli/verb_options.h"

namespace cairn::cli {

// Does the verb's work and answers the exit code: kExitDone, kExitPartial or kExitDamage.
// An error becomes the code that stands for it.
using Run = std::function<Result<int>(Session&)>;

struct Verb {
  const char* name;
  const char* summary;   // one line of `cairn --help`
  const char* examples;  // the end of `cairn VERB --help`: lines that begin with two spaces
  bool lines;            // whether --json prints JSON Lines rather than one document
  // Declares options and positionals; what it returns is called once they are parsed.
  Run (*declare)(VerbOptions& options);
};

extern const Verb kInit, kAdd, kGet, kCat, kTensor, kLs, kShow, kDiff, kSimilar, kLog, kTag, kRm, kForget, kStats, kGc,
    kOptimize, kClone, kCheck, kRepair, kResults, kExperiments, kMetrics, kOps, kMirror, kArtifact, kDoctor,
    kCompletion;

// In the order of `cairn --help`.
std::span<const Verb* const> all_verbs();

}  // namespace cairn::cli
