// SPDX-License-Identifier: Apache-2.0
#include "replication/pack_index.h"

#include <string>
#include <unordered_set>
#include <utility>

#include "replication/in_flight.h"

namespace cairn::mirror {
namespace {

constexpr std::string_view kMagic = "CRNINDX1";
constexpr std::size_t kPackHeadBytes = Digest::kSize + 4 + 4;
constexpr std::size_t kSaltBytes = Digest::kSize;
constexpr std::uint64_t kIndexBytesMax = 256u << 20;

Error damaged(const std::string& why) { return make_error(ErrorCode::corruption, "index of a mirror: " + why); }

struct Fetched {
  std::string key;
  PackIndex::Read read;
  std::vector<Pack> packs;
  std::string damage;  // why there are none
  bool gone = false;
};

// Nothing: it is gone by now.
Result<std::optional<std::vector<Pack>>> read(ObjectStorage& storage, const Formats& formats, const std::string& key,
                                              const Digest& name) {
  CAIRN_TRY(const auto bytes, storage.get(key, kIndexBytesMax));
  if (!bytes) return std::optional<std::vector<Pack>>();
  if (formats.digest_of(*bytes) != name) {
    return make_error(ErrorCode::corruption, "'" + key + "' in the mirror is not what its name says");
  }
  CAIRN_TRY(auto packs, decode_index(*bytes));
  return std::optional(std::move(packs));
}

Result<Fetched> fetch(ObjectStorage& storage, const Formats& formats, Fetched wanted, const Digest& name) {
  auto packs = read(storage, formats, wanted.key, name);
  if (!packs.ok() && packs.error().code != ErrorCode::corruption) return packs.error();
  if (!packs.ok()) {
    wanted.damage = packs.error().message;
    wanted.read.damaged = true;
  } else if (!*packs) {
    wanted.gone = true;
  } else {
    wanted.packs = **std::move(packs);
  }
  return wanted;
}

}  // namespace

std::vector<std::byte> encode_index(const std::vector<Pack>& packs, Bytes salt) {
  std::vector<std::byte> bytes;
  append(bytes, kMagic);
  append(bytes, static_cast<std::uint32_t>(packs.size()));
  for (const Pack& pack : packs) {
    append(bytes, pack.name);
    append(bytes, pack.bytes);
    append(bytes, static_cast<std::uint32_t>(pack.records.size()));
    append_records(bytes, pack.records);
  }
  append(bytes, salt);
  return bytes;
}

Result<std::vector<Pack>> decode_index(Bytes bytes) {
  Fields fields(bytes);
  if (!fields.says(kMagic)) return damaged("it does not begin as one");
  const auto count = fields.number<std::uint32_t>();
  if (fields.failed() || count > fields.left() / kPackHeadBytes) return damaged("it is cut off");
  std::vector<Pack> packs(count);
  for (Pack& pack : packs) {
    pack.name = fields.digest();
    pack.bytes = fields.number<std::uint32_t>();
    const auto records = fields.number<std::uint32_t>();
    if (fields.failed() || pack.bytes > Pack::kBytesMax) return damaged("a pack that there cannot be");
    CAIRN_TRY(pack.records, read_records(fields, records, pack.bytes));
  }
  if (fields.left() > 0 && fields.left() != kSaltBytes) return damaged("it has more than its packs");
  return packs;
}

Status PackIndex::refresh(ObjectStorage& storage, const Formats& formats, std::size_t parallel) {
  auto outgoing = read_outgoing(storage, formats);
  // Without it everything is found all the same.
  if (!outgoing.ok() && outgoing.error().code == ErrorCode::corruption) outgoing = Outgoing();
  if (!outgoing.ok()) return outgoing.error();
  return refresh(storage, formats, parallel, *outgoing, Wanted::all);
}

Status PackIndex::refresh(ObjectStorage& storage, const Formats& formats, std::size_t parallel,
                          const Outgoing& outgoing, Wanted wanted) {
  CAIRN_TRY(const auto listed, list_all(storage, kIndexPrefix));
  std::vector<std::pair<Pack, Standing>> later;  // what counts is found first
  InFlight<Fetched> fetches(parallel, [&](Fetched fetched) {
    // One that was removed: what took its place was there before.
    if (fetched.gone && fetched.read.standing == Standing::outgoing) return Status();
    if (fetched.gone) fetched.damage = "'" + fetched.key + "' is missing in the mirror";
    if (!fetched.damage.empty() && fetched.read.standing != Standing::outgoing)
      damaged_.push_back(std::move(fetched.damage));
    Read& read = indexes_[fetched.key] = std::move(fetched.read);
    for (Pack& pack : fetched.packs) {
      const bool leaves = outgoing.has(pack_key(formats, pack.name));
      const Standing standing = leaves ? Standing::outgoing : read.standing;
      read.packs.push_back(pack.name);
      if (standing == Standing::counts) {
        add(std::move(pack), standing);
      } else if (wanted == Wanted::all) {
        later.emplace_back(std::move(pack), standing);
      }
    }
    return Status();
  });
  for (const ObjectStorage::Listed& one : listed) {
    std::string_view text = std::string_view(one.key).substr(kIndexPrefix.size());
    Standing standing = Standing::counts;
    if (text.ends_with(kIncomplete)) {
      text.remove_suffix(kIncomplete.size());
      standing = Standing::incomplete;
    }
    if (outgoing.has(one.key)) standing = Standing::outgoing;
    auto name = parse_digest(formats.digest_kind(), text);
    // Nothing of ours.
    if (!name.ok() || indexes_.contains(one.key)) continue;
    if (wanted == Wanted::counting && standing != Standing::counts) continue;
    Fetched index{.key = one.key, .read = {.standing = standing, .modified = one.modified}, .packs = {}, .damage = {}};
    CAIRN_CHECK(fetches.begin([&storage, &formats, index = std::move(index), name = *name]() mutable {
      return fetch(storage, formats, std::move(index), name);
    }));
  }
  CAIRN_CHECK(fetches.finish());
  for (const Standing standing : {Standing::incomplete, Standing::outgoing}) {
    for (auto& [pack, its] : later) {
      if (its == standing) add(std::move(pack), standing);
    }
  }
  return {};
}

void PackIndex::add(const std::string& key, std::vector<Pack> packs) {
  Read& read = indexes_[key];
  for (Pack& pack : packs) {
    read.packs.push_back(pack.name);
    add(std::move(pack), Standing::counts);
  }
}

void PackIndex::add(Pack pack, Standing standing) {
  const auto [at, fresh] = packs_.try_emplace(pack.name);
  Pack& known = at->second;
  std::size_t first_new = 0;
  if (fresh) {
    known = std::move(pack);
  } else {
    // Indexes may have some of a pack's records each.
    std::unordered_set<ContentId, ContentIdHash> there;
    for (const PackedRecord& record : known.records) there.insert(record.id);
    first_new = known.records.size();
    for (PackedRecord& record : pack.records) {
      if (!there.contains(record.id)) known.records.push_back(std::move(record));
    }
  }
  for (std::size_t i = first_new; i < known.records.size(); ++i) {
    places_.try_emplace(known.records[i].id, Where{.pack = &known, .record = i, .standing = standing});
  }
}

std::optional<PackIndex::Place> PackIndex::find(const ContentId& id) const {
  auto found = places_.find(id);
  if (found == places_.end() && id.kind == kBlob) found = places_.find({kBlock, id.digest});
  if (found == places_.end()) return std::nullopt;
  const Where& where = found->second;
  return Place{.pack = where.pack, .record = &where.pack->records[where.record]};
}

Standing PackIndex::standing_of(const Place& place) const {
  const auto found = places_.find(place.record->id);
  if (found == places_.end()) return Standing::outgoing;
  const Where& where = found->second;
  return place.record == &where.pack->records[where.record] ? where.standing : Standing::outgoing;
}

}  // namespace cairn::mirror
