// SPDX-License-Identifier: Apache-2.0
//
// Which versions of a name stay when old ones are removed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

using Tags = std::map<std::string, std::string>;

// A version with this tag, whatever its value, is never removed by a policy.
inline constexpr std::string_view kPinnedTag = "pinned";

// A metric is a tag whose whole value is a number ("0.25", "1e-3", "inf", "nan").
std::optional<double> metric_of(const Tags& tags, std::string_view metric);
// The text that metric_of() reads back as the same number.
std::string metric_text(double value);

enum class Best : std::uint8_t { lowest, highest };

struct KeepBest {
  std::string metric;
  Best best = Best::lowest;
  std::size_t count = 1;
};

// A version stays when any of these, or a pin, says so.
struct RetentionPolicy {
  std::uint64_t keep_last = 0;          // so many with the highest numbers; 0: all, whatever else is said
  std::uint64_t keep_every = 0;         // numbers that are divisible by it; 0: this keeps none
  std::optional<KeepBest> keep_best{};  // not a number comes last; of equal ones, the higher version first
  // Created at most so long before the newest one was; none: this keeps none. Times are those of
  // the machines that saved: a clock that jumps takes this protection away, and no other.
  std::chrono::seconds keep_within{0};
};

}  // namespace cairn
#pragma GCC visibility pop
