// SPDX-License-Identifier: Apache-2.0
//
// Which tensors of a store are the same, and which resemble each other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/deltas.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

struct SimilarOptions {
  std::string name;  // NAME or NAME@VERSION: its tensors beside those of all other names; empty: all of them
};

struct TensorPlace {
  std::string ref;         // NAME@VERSION
  std::string path, name;  // of the file or state, and in it
};

// One tensor in several places.
struct SameTensors {
  std::string id;
  std::uint64_t bytes = 0;  // once
  std::vector<TensorPlace> places;
};

// Two tensors of the same dtype and shape.
struct SimilarTensors {
  TensorPlace place, like;
  std::string id, like_id;
  TensorLayout tensor;  // of both
  std::uint64_t bytes = 0;
  DeltaStatistics difference;      // over all elements
  std::uint64_t stored_bytes = 0;  // that it takes now
  std::uint64_t delta_bytes = 0;   // that it takes as the difference from `like`, encoded block by block
};

// Of the newest version of every name.
struct SimilarReport {
  std::uint64_t tensors = 0, bytes = 0;  // looked at, each in each place
  std::vector<SameTensors> same;         // by how many bytes that saves, the most first
  std::uint64_t same_bytes = 0;          // that are there once and would be more often
  std::vector<SimilarTensors> similar;   // each with the first that it resembles; the most similar first
  std::uint64_t saved_bytes = 0;         // that differences would save of what these take now
};

}  // namespace cairn
#pragma GCC visibility pop
