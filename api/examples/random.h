// SPDX-License-Identifier: Apache-2.0
//
// Random numbers that a seed repeats on every machine: the generator is the standard's, and
// the distributions, which the standard leaves open, are spelled out.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <sstream>
#include <string>

namespace example {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  // In [0, 1), in steps of 2^-53.
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(uniform() * static_cast<double>(bound)); }

  // Mean 0, standard deviation 1, by the method of Box and Muller.
  float normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return static_cast<float>(radius * std::cos(6.283185307179586 * uniform()));
  }

  // All that it is, and to go on from there.
  std::string text() const {
    std::ostringstream out;
    out << engine_;
    return out.str();
  }
  void restore(const std::string& text) { std::istringstream(text) >> engine_; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace example
