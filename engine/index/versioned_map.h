// SPDX-License-Identifier: Apache-2.0
//
// Sorted changes in memory, of which a walk sees those that were there when it began: what is
// written while it lasts would else be seen in part, such as a move of which only the deletion
// is still ahead.
#pragma once

#include <map>
#include <set>
#include <shared_mutex>
#include <tuple>

#include "engine/index/key_value_store.h"

namespace cairn {

// Any thread may read; one at a time writes. Nothing is locked between two calls, so that a
// visitor may read, and even write.
class VersionedMap {
 public:
  // No value: the key was deleted.
  using Value = std::optional<std::string>;
  using Change = KeyValueChanges::value_type;

  // The changes that were there when it was made; they are kept for it as long as it lives.
  class Moment {
   public:
    explicit Moment(VersionedMap& map);
    ~Moment();
    Moment(const Moment&) = delete;
    Moment& operator=(const Moment&) = delete;

    std::optional<Change> not_below(std::string_view key) const;
    std::optional<Change> above(std::string_view key) const;
    std::optional<Change> below(std::string_view key) const;
    std::optional<Change> last() const;

   private:
    VersionedMap& map_;
    const std::uint64_t number_;
  };

  // As last changed. Nothing: it never was, or its deletion was not kept.
  std::optional<Value> get(std::string_view key) const;
  // All or nothing. Deletions are kept where they hide something, and else forget the key.
  void write(const KeyValueChanges& changes, bool keep_deletions);
  std::uint64_t memory_bytes() const;

 private:
  struct Version {
    std::uint64_t since = 0;  // the number of the write that brought it
    Value value;
  };
  // One that another write replaced, whose number it has beside its key.
  struct Until {
    std::string key;
    std::uint64_t number = 0;
    friend bool operator<(const Until& a, const Until& b) {
      return std::tie(a.key, a.number) < std::tie(b.key, b.number);
    }
  };
  using Latest = std::map<std::string, Version, std::less<>>;
  using Replaced = std::map<Until, Version>;

  std::uint64_t begin_moment();
  void end_moment(std::uint64_t number);
  // The first that `moment` sees, in the order of the keys or against it.
  std::optional<Change> first_from(std::uint64_t moment, Latest::const_iterator latest,
                                   Replaced::const_iterator replaced) const;
  std::optional<Change> last_before(std::uint64_t moment, Latest::const_iterator latest,
                                    Replaced::const_iterator replaced) const;
  void set(const std::string& key, const Value& value, bool keep_deletion);

  mutable std::shared_mutex mutex_;  // of everything below
  Latest latest_;
  Replaced replaced_;  // what a moment may still see
  std::multiset<std::uint64_t> moments_;
  std::uint64_t writes_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace cairn
