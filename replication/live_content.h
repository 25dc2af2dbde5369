// SPDX-License-Identifier: Apache-2.0
//
// What of a bucket is needed, and from where each of it can be read: the content below some roots, followed down as a
// reader does, past packs that are missing or damaged to wherever else there is a copy.
#pragma once

#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "replication/fetch.h"
#include "replication/pack_index.h"

namespace cairn::mirror {

// Owned by one thread.
class LiveContent {
 public:
  struct Item {
    // Where it can be read, as far as that is known; nothing: nowhere.
    std::optional<PackIndex::Place> place;
    Standing standing = Standing::outgoing;  // of this place
    std::vector<ContentId> parts = {};
    bool whole = true;  // it and all that it relies on can be read: true once find_incomplete() was called
  };
  using Items = std::unordered_map<ContentId, Item, ContentIdHash>;

  // `index` has everything; `listed` is what the bucket has below packs/. `progress` is called now and then, and its
  // error ends a call.
  LiveContent(ObjectStorage& storage, const Formats& formats, PackIndex& index,
              const std::vector<ObjectStorage::Listed>& listed, const FetchOptions& fetch,
              std::function<Status()> progress);

  // All that `wanted` relies on is among the items. An object that is as it was put and makes no sense is an error:
  // what it relies on could not be kept.
  Status follow(std::vector<ContentId> wanted);
  // Looks for what can be read nowhere in the packs that no index has.
  Status search_unlisted();
  // Blocks that are the difference from each other in a circle, in copies of different stores, are taken from where
  // they can be decoded.
  Status break_circles();
  // Reads what `chosen` picks and hands it to `take`; what is damaged where it was thought to be is looked for
  // elsewhere, and picked again, or not, there.
  Status read(const std::function<bool(const Item& item)>& chosen, const TakeContent& take);
  void find_incomplete();
  // The packs that no index has.
  std::vector<ObjectStorage::Listed> unlisted() const;

  const Items& items() const noexcept { return items_; }
  // Of an id that something names: a blob may be a block.
  const Item& at(const ContentId& id) const;
  // What can be read nowhere; and what cannot be used because of that, or of a circle, those included.
  std::vector<ContentId> lost() const;
  std::vector<ContentId> not_whole() const;
  // Whether anything of this pack is not what its index says, as far as it was looked at.
  bool is_damaged(const Pack& pack) const { return damaged_.contains(pack.name); }
  void set_damaged(const Pack& pack) { damaged_.insert(pack.name); }
  const FetchCounters& counters() const noexcept { return counters_; }

 private:
  bool is_readable(const PackIndex::Place& place);
  std::optional<PackIndex::Place> find(const ContentId& id);
  std::vector<PackIndex::Place> copies_of(const ContentId& id);
  // Whether it has something to be read.
  bool add(const ContentId& id, std::vector<ContentId>& wanted);
  void set_place(Item& item, std::optional<PackIndex::Place> place, std::vector<ContentId>& wanted);
  Status read_objects(std::vector<ContentId> objects, std::vector<ContentId>& wanted);
  // It is not what it should be where it was thought to be.
  void pass_over(const ContentId& id, std::vector<ContentId>& wanted);
  // What could be whole by another of its copies is taken from there. The bases of all copies are among the items.
  void take_whole_copies();
  // `missing` is told of what no `take` is called for.
  Status fetch_what_there_is(const std::vector<PackIndex::Place>& places, const TakeContent& take,
                             const std::function<void(const ContentId& id)>& missing);

  ObjectStorage& storage_;
  const Formats& formats_;
  PackIndex& index_;
  const FetchOptions fetch_;
  const std::function<Status()> progress_;
  const std::vector<ObjectStorage::Listed>& listed_;
  std::unordered_map<Digest, std::uint64_t> sizes_;  // of the packs that are there
  Items items_;
  std::unordered_set<Digest> damaged_;  // packs
  std::unordered_set<const PackedRecord*> passed_over_;
  std::unordered_multimap<ContentId, PackIndex::Place, ContentIdHash> copies_;  // once they are needed
  FetchCounters counters_;
};

}  // namespace cairn::mirror
