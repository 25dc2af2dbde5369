// SPDX-License-Identifier: Apache-2.0
#include "engine/index/versioned_map.h"

#include <limits>
#include <mutex>

namespace cairn {
namespace {

// What one version costs beside its bytes: the node, two strings, the allocator.
constexpr std::uint64_t kVersionBytes = 128;

std::uint64_t bytes_of(const std::string& key, const VersionedMap::Value& value) {
  return kVersionBytes + key.size() + (value ? value->size() : 0);
}

}  // namespace

VersionedMap::Moment::Moment(VersionedMap& map) : map_(map), number_(map.begin_moment()) {}
VersionedMap::Moment::~Moment() { map_.end_moment(number_); }

std::optional<VersionedMap::Change> VersionedMap::Moment::not_below(std::string_view key) const {
  const std::shared_lock lock(map_.mutex_);
  return map_.first_from(number_, map_.latest_.lower_bound(key), map_.replaced_.lower_bound({std::string(key), 0}));
}

std::optional<VersionedMap::Change> VersionedMap::Moment::above(std::string_view key) const {
  const std::shared_lock lock(map_.mutex_);
  const Until behind{std::string(key), std::numeric_limits<std::uint64_t>::max()};
  return map_.first_from(number_, map_.latest_.upper_bound(key), map_.replaced_.upper_bound(behind));
}

std::optional<VersionedMap::Change> VersionedMap::Moment::below(std::string_view key) const {
  const std::shared_lock lock(map_.mutex_);
  return map_.last_before(number_, map_.latest_.lower_bound(key), map_.replaced_.lower_bound({std::string(key), 0}));
}

std::optional<VersionedMap::Change> VersionedMap::Moment::last() const {
  const std::shared_lock lock(map_.mutex_);
  return map_.last_before(number_, map_.latest_.end(), map_.replaced_.end());
}

std::uint64_t VersionedMap::begin_moment() {
  const std::unique_lock lock(mutex_);
  moments_.insert(writes_);
  return writes_;
}

void VersionedMap::end_moment(std::uint64_t number) {
  const std::unique_lock lock(mutex_);
  moments_.erase(moments_.find(number));
  const std::uint64_t oldest = moments_.empty() ? writes_ : *moments_.begin();
  if (oldest <= number) return;
  for (auto at = replaced_.begin(); at != replaced_.end();) {
    if (at->first.number > oldest) {
      ++at;
      continue;
    }
    bytes_ -= bytes_of(at->first.key, at->second.value);
    at = replaced_.erase(at);
  }
}

// The versions of a key follow each other, so that a moment sees one of them at most.
std::optional<VersionedMap::Change> VersionedMap::first_from(std::uint64_t moment, Latest::const_iterator latest,
                                                             Replaced::const_iterator replaced) const {
  while (latest != latest_.end() || replaced != replaced_.end()) {
    if (replaced == replaced_.end() || (latest != latest_.end() && latest->first < replaced->first.key)) {
      if (latest->second.since <= moment) return Change(latest->first, latest->second.value);
      ++latest;
    } else {
      const auto& [until, version] = *replaced;
      if (version.since <= moment && moment < until.number) return Change(until.key, version.value);
      ++replaced;
    }
  }
  return std::nullopt;
}

std::optional<VersionedMap::Change> VersionedMap::last_before(std::uint64_t moment, Latest::const_iterator latest,
                                                              Replaced::const_iterator replaced) const {
  while (latest != latest_.begin() || replaced != replaced_.begin()) {
    if (replaced == replaced_.begin() ||
        (latest != latest_.begin() && std::prev(latest)->first > std::prev(replaced)->first.key)) {
      --latest;
      if (latest->second.since <= moment) return Change(latest->first, latest->second.value);
    } else {
      --replaced;
      const auto& [until, version] = *replaced;
      if (version.since <= moment && moment < until.number) return Change(until.key, version.value);
    }
  }
  return std::nullopt;
}

std::optional<VersionedMap::Value> VersionedMap::get(std::string_view key) const {
  const std::shared_lock lock(mutex_);
  const auto found = latest_.find(key);
  if (found == latest_.end()) return std::nullopt;
  return found->second.value;
}

void VersionedMap::write(const KeyValueChanges& changes, bool keep_deletions) {
  const std::unique_lock lock(mutex_);
  ++writes_;
  for (const auto& [key, value] : changes) set(key, value, keep_deletions);
}

void VersionedMap::set(const std::string& key, const Value& value, bool keep_deletion) {
  const auto found = latest_.find(key);
  if (found != latest_.end()) {
    Version& before = found->second;
    // The youngest moment sees it, if any does. Of one write only the last change counts.
    if (!moments_.empty() && before.since <= *moments_.rbegin()) {
      replaced_.emplace(Until{key, writes_}, std::move(before));
    } else {
      bytes_ -= bytes_of(key, before.value);
    }
  }
  if (!value && !keep_deletion) {
    if (found != latest_.end()) latest_.erase(found);
    return;
  }
  bytes_ += bytes_of(key, value);
  latest_.insert_or_assign(key, Version{.since = writes_, .value = value});
}

std::uint64_t VersionedMap::memory_bytes() const {
  const std::shared_lock lock(mutex_);
  return bytes_;
}

}  // namespace cairn
