// SPDX-License-Identifier: Apache-2.0
#include "api/src/retention.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/base/errors.h"

namespace cairn {

std::optional<double> metric_of(const Tags& tags, std::string_view metric) {
  const auto tag = tags.find(std::string(metric));
  if (tag == tags.end() || tag->second.empty()) return std::nullopt;
  double value = 0;
  const char* const end = tag->second.data() + tag->second.size();
  const auto [at, failure] = std::from_chars(tag->second.data(), end, value);
  if (failure != std::errc() || at != end) return std::nullopt;
  return value;
}

std::string metric_text(double value) {
  if (std::isnan(value)) return "nan";
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return std::string(text.data(), end);
}

bool is_better(Best best, double a, std::uint64_t version_a, double b, std::uint64_t version_b) {
  if (std::isnan(a) != std::isnan(b)) return std::isnan(b);
  if (std::isnan(a) || a == b) return version_a > version_b;
  return best == Best::lowest ? a < b : a > b;
}

Status check_policy(const RetentionPolicy& policy) {
  if (policy.keep_best && policy.keep_best->metric.empty()) {
    return make_error(ErrorCode::invalid_argument, "keeping the best needs the name of a metric");
  }
  if (policy.keep_within.count() < 0) {
    return make_error(ErrorCode::invalid_argument, "keeping what is recent needs a time that is not negative");
  }
  return {};
}

std::vector<bool> to_be_removed(std::span<const RefRecord> versions, const RetentionPolicy& policy,
                                const std::set<std::uint64_t>& spared) {
  std::vector<bool> removed(versions.size(), policy.keep_last > 0 && policy.keep_last < versions.size());
  if (versions.empty() || !removed.front()) return removed;
  for (std::size_t i = versions.size() - policy.keep_last; i < versions.size(); ++i) removed[i] = false;
  std::int64_t newest = versions.front().created_ns;
  for (const RefRecord& version : versions) newest = std::max(newest, version.created_ns);
  std::int64_t recent = 0;
  const bool bounded = !__builtin_mul_overflow(policy.keep_within.count(), std::int64_t{1'000'000'000}, &recent) &&
                       !__builtin_sub_overflow(newest, recent, &recent);
  for (std::size_t i = 0; i < versions.size(); ++i) {
    const RefRecord& version = versions[i];
    const bool is_recent = policy.keep_within.count() > 0 && (!bounded || version.created_ns >= recent);
    const bool is_nth = policy.keep_every > 0 && version.version % policy.keep_every == 0;
    if (is_recent || is_nth || spared.contains(version.version) || version.tags.contains(std::string(kPinnedTag))) {
      removed[i] = false;
    }
  }
  if (!policy.keep_best) return removed;
  struct Candidate {
    std::size_t at;
    double value;
  };
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    if (const auto value = metric_of(versions[i].tags, policy.keep_best->metric)) candidates.push_back({i, *value});
  }
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    return is_better(policy.keep_best->best, a.value, versions[a.at].version, b.value, versions[b.at].version);
  });
  if (candidates.size() > policy.keep_best->count) candidates.resize(policy.keep_best->count);
  for (const Candidate& candidate : candidates) removed[candidate.at] = false;
  return removed;
}

}  // namespace cairn
