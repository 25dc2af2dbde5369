// SPDX-License-Identifier: Apache-2.0
#include "replication/live_content.h"

#include <algorithm>
#include <utility>

#include "replication/errors.h"

namespace cairn::mirror {
namespace {

std::string name_of(const Formats& formats, const ContentId& id) {
  return (id.kind == kBlock ? "block " : "object ") + to_text(formats.digest_kind(), id.digest);
}

}  // namespace

LiveContent::LiveContent(ObjectStorage& storage, const Formats& formats, PackIndex& index,
                         const std::vector<ObjectStorage::Listed>& listed, const FetchOptions& fetch,
                         std::function<Status()> progress)
    : storage_(storage),
      formats_(formats),
      index_(index),
      fetch_(fetch),
      progress_(std::move(progress)),
      listed_(listed) {
  for (const ObjectStorage::Listed& pack : listed) {
    const auto name = parse_digest(formats.digest_kind(), std::string_view(pack.key).substr(kPacksPrefix.size()));
    if (name.ok()) sizes_.emplace(*name, pack.bytes);
  }
  for (const auto& [name, pack] : index.packs()) {
    const auto size = sizes_.find(name);
    if (size == sizes_.end() || size->second != pack.bytes) damaged_.insert(name);
  }
}

bool LiveContent::is_readable(const PackIndex::Place& place) {
  const auto size = sizes_.find(place.pack->name);
  return size != sizes_.end() && std::uint64_t{place.record->offset} + place.record->stored_bytes <= size->second &&
         !passed_over_.contains(place.record);
}

std::vector<PackIndex::Place> LiveContent::copies_of(const ContentId& id) {
  if (copies_.empty()) {
    for (const auto& [name, pack] : index_.packs()) {
      for (const PackedRecord& record : pack.records) {
        copies_.emplace(record.id, PackIndex::Place{.pack = &pack, .record = &record});
      }
    }
  }
  std::vector<PackIndex::Place> copies;
  const auto [begin, end] = copies_.equal_range(id);
  for (auto at = begin; at != end; ++at) {
    if (is_readable(at->second)) copies.push_back(at->second);
  }
  return copies;
}

std::optional<PackIndex::Place> LiveContent::find(const ContentId& id) {
  const auto place = index_.find(id);
  if (!place || is_readable(*place)) return place;
  auto copies = copies_of(id);
  if (copies.empty() && id.kind == kBlob) copies = copies_of({kBlock, id.digest});
  return copies.empty() ? std::nullopt : std::optional(copies.front());
}

void LiveContent::set_place(Item& item, std::optional<PackIndex::Place> place, std::vector<ContentId>& wanted) {
  item.place = place;
  item.standing = place ? index_.standing_of(*place) : Standing::outgoing;
  if (!place || place->record->id.kind != kBlock) return;
  item.parts.clear();
  for (const Digest& base : place->record->bases) item.parts.push_back({kBlock, base});
  wanted.insert(wanted.end(), item.parts.begin(), item.parts.end());
}

bool LiveContent::add(const ContentId& id, std::vector<ContentId>& wanted) {
  const auto place = find(id);
  const auto [at, fresh] = items_.try_emplace(place ? place->record->id : id);
  if (!fresh) return false;
  set_place(at->second, place, wanted);
  return place && place->record->id.kind != kBlock;
}

Status LiveContent::follow(std::vector<ContentId> wanted) {
  std::size_t looked_at = 0;
  while (!wanted.empty()) {
    std::vector<ContentId> objects;
    for (const ContentId& id : std::exchange(wanted, {})) {
      if (++looked_at % 1024 == 0) CAIRN_CHECK(progress_());
      if (add(id, wanted)) objects.push_back(id);
    }
    CAIRN_CHECK(read_objects(std::move(objects), wanted));
  }
  return {};
}

Status LiveContent::read_objects(std::vector<ContentId> objects, std::vector<ContentId>& wanted) {
  while (!objects.empty()) {
    std::vector<PackIndex::Place> places;
    for (const ContentId& id : std::exchange(objects, {})) {
      if (const Item& item = items_.at(id); item.place) places.push_back(*item.place);
    }
    const auto elsewhere = [&](const ContentId& id) {
      pass_over(id, wanted);
      objects.push_back(id);
    };
    const auto take = [&](const Content& object) -> Status {
      const Status good = formats_.check_object(object);
      auto parts = formats_.parts_of(object.id, object.payload);
      if (good.ok() && parts.ok()) {
        items_.at(object.id).parts = std::move(parts).value();
        wanted.insert(wanted.end(), items_.at(object.id).parts.begin(), items_.at(object.id).parts.end());
        return {};
      }
      const bool as_it_was_put = formats_.matches_checksum(object);
      elsewhere(object.id);
      if (!as_it_was_put || items_.at(object.id).place) return {};
      return make_error(ErrorCode::corruption, "what " + name_of(formats_, object.id) +
                                                   " of the mirror is made of cannot be told: " +
                                                   (good.ok() ? parts.error() : good.error()).message);
    };
    CAIRN_CHECK(fetch_what_there_is(places, take, elsewhere));
    CAIRN_CHECK(progress_());
  }
  return {};
}

void LiveContent::pass_over(const ContentId& id, std::vector<ContentId>& wanted) {
  Item& item = items_.at(id);
  passed_over_.insert(item.place->record);
  damaged_.insert(item.place->pack->name);
  const auto copies = copies_of(id);
  set_place(item, copies.empty() ? std::nullopt : std::optional(copies.front()), wanted);
}

Status LiveContent::fetch_what_there_is(const std::vector<PackIndex::Place>& places, const TakeContent& take,
                                        const std::function<void(const ContentId& id)>& missing) {
  std::unordered_set<ContentId, ContentIdHash> taken;
  std::optional<Error> refused;
  const auto take_once = [&](const Content& content) -> Status {
    if (!taken.insert(content.id).second) return {};
    Status done = take(content);
    if (!done.ok()) refused = done.error();
    return done;
  };
  Status all = fetch(storage_, formats_, places, fetch_, counters_, take_once);
  if (all.ok() || refused || all.error().code != ErrorCode::corruption) return all;
  // A pack went, or is shorter than was listed: each by itself.
  for (const PackIndex::Place& place : places) {
    if (taken.contains(place.record->id)) continue;
    Status one = fetch(storage_, formats_, {place}, fetch_, counters_, take_once);
    if (one.ok()) continue;
    if (refused || one.error().code != ErrorCode::corruption) return one;
    missing(place.record->id);
  }
  return {};
}

Status LiveContent::read(const std::function<bool(const Item& item)>& chosen, const TakeContent& take) {
  std::unordered_set<ContentId, ContentIdHash> done;
  for (;;) {
    std::vector<PackIndex::Place> places;
    for (const auto& [id, item] : items_) {
      if (item.place && !done.contains(id) && chosen(item)) places.push_back(*item.place);
    }
    if (places.empty()) return {};
    std::vector<ContentId> wanted;
    const auto elsewhere = [&](const ContentId& id) { pass_over(id, wanted); };
    const auto take_good = [&](const Content& content) -> Status {
      if (!formats_.matches_checksum(content)) {
        elsewhere(content.id);
        return {};
      }
      done.insert(content.id);
      CAIRN_CHECK(progress_());
      return take(content);
    };
    CAIRN_CHECK(fetch_what_there_is(places, take_good, elsewhere));
    // A copy may rely on other blocks.
    CAIRN_CHECK(follow(std::move(wanted)));
  }
}

std::vector<ObjectStorage::Listed> LiveContent::unlisted() const {
  std::vector<ObjectStorage::Listed> unlisted;
  for (const ObjectStorage::Listed& pack : listed_) {
    const auto name = parse_digest(formats_.digest_kind(), std::string_view(pack.key).substr(kPacksPrefix.size()));
    if (name.ok() && !index_.packs().contains(*name)) unlisted.push_back(pack);
  }
  return unlisted;
}

Status LiveContent::search_unlisted() {
  std::vector<ContentId> wanted = lost();
  if (wanted.empty()) return {};
  for (const ObjectStorage::Listed& listed : unlisted()) {
    CAIRN_CHECK(progress_());
    const auto bytes = storage_.get(listed.key, Pack::kBytesMax);
    if (!bytes.ok() && bytes.error().code != ErrorCode::resource_exhausted) return bytes.error();
    if (!bytes.ok() || !*bytes) continue;
    Pack pack{.name = formats_.digest_of(**bytes), .bytes = static_cast<std::uint32_t>((*bytes)->size())};
    if (pack_key(formats_, pack.name) != listed.key) continue;
    auto records = read_pack_table(**bytes);
    if (!records.ok()) continue;
    pack.records = std::move(records).value();
    index_.add_unlisted(std::move(pack));
  }
  copies_.clear();
  for (const ContentId& id : wanted) items_.erase(id);
  return follow(std::move(wanted));
}

const LiveContent::Item& LiveContent::at(const ContentId& id) const {
  const auto found = items_.find(id);
  return found != items_.end() ? found->second : items_.at({kBlock, id.digest});
}

std::vector<ContentId> LiveContent::lost() const {
  std::vector<ContentId> lost;
  for (const auto& [id, item] : items_) {
    if (!item.place) lost.push_back(id);
  }
  return lost;
}

std::vector<ContentId> LiveContent::not_whole() const {
  std::vector<ContentId> open;
  for (const auto& [id, item] : items_) {
    if (!item.whole) open.push_back(id);
  }
  return open;
}

void LiveContent::find_incomplete() {
  std::vector<Item*> open;
  for (auto& [id, item] : items_) {
    item.whole = item.place && item.parts.empty();
    if (item.place && !item.whole) open.push_back(&item);
  }
  // From below: what relies on something that is not whole, or on itself, stays as it is.
  for (std::size_t before = open.size() + 1; open.size() < before;) {
    before = open.size();
    std::erase_if(open, [this](Item* item) {
      item->whole = std::ranges::all_of(item->parts, [this](const ContentId& part) { return at(part).whole; });
      return item->whole;
    });
  }
}

Status LiveContent::break_circles() {
  find_incomplete();
  for (std::size_t before = 0; before != items_.size();) {
    before = items_.size();
    std::vector<ContentId> wanted;
    for (const auto& [id, item] : items_) {
      if (id.kind != kBlock || item.whole || !item.place) continue;
      for (const PackIndex::Place& copy : copies_of(id)) {
        for (const Digest& base : copy.record->bases) wanted.push_back({kBlock, base});
      }
    }
    CAIRN_CHECK(follow(std::move(wanted)));
    find_incomplete();
  }
  take_whole_copies();
  return {};
}

void LiveContent::take_whole_copies() {
  std::vector<ContentId> known;  // the bases of what is taken are among the items
  for (bool found = true; found;) {
    found = false;
    for (auto& [id, item] : items_) {
      if (id.kind != kBlock || item.whole || !item.place) continue;
      const auto copies = copies_of(id);
      const auto whole = std::ranges::find_if(copies, [this](const PackIndex::Place& copy) {
        return std::ranges::all_of(copy.record->bases, [this](const Digest& base) { return at({kBlock, base}).whole; });
      });
      if (whole == copies.end()) continue;
      set_place(item, *whole, known);
      item.whole = found = true;
    }
  }
  find_incomplete();
}

}  // namespace cairn::mirror
