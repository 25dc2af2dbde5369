// SPDX-License-Identifier: Apache-2.0
#include "replication/pack_index.h"

#include <string>
#include <utility>

#include "replication/in_flight.h"

namespace cairn::mirror {
namespace {

constexpr std::string_view kMagic = "CRNINDX1";
constexpr std::size_t kPackHeadBytes = Digest::kSize + 4 + 4;
constexpr std::uint64_t kIndexBytesMax = 256u << 20;

Error damaged(const std::string& why) { return make_error(ErrorCode::corruption, "index of a mirror: " + why); }

struct Fetched {
  Digest name;
  std::vector<Pack> packs;
  std::string damage;  // why there are none
};

Result<std::vector<Pack>> read(ObjectStorage& storage, const Formats& formats, const Digest& name) {
  const std::string key = index_key(formats, name);
  CAIRN_TRY(const auto bytes, get_whole(storage, key, kIndexBytesMax));
  if (formats.digest_of(bytes) != name) {
    return make_error(ErrorCode::corruption, "'" + key + "' in the mirror is not what its name says");
  }
  return decode_index(bytes);
}

Result<Fetched> fetch(ObjectStorage& storage, const Formats& formats, const Digest& name) {
  auto packs = read(storage, formats, name);
  if (packs.ok()) return Fetched{.name = name, .packs = std::move(packs).value(), .damage = {}};
  if (packs.error().code != ErrorCode::corruption) return packs.error();
  return Fetched{.name = name, .packs = {}, .damage = packs.error().message};
}

}  // namespace

std::vector<std::byte> encode_index(const std::vector<Pack>& packs) {
  std::vector<std::byte> bytes;
  append(bytes, kMagic);
  append(bytes, static_cast<std::uint32_t>(packs.size()));
  for (const Pack& pack : packs) {
    append(bytes, pack.name);
    append(bytes, pack.bytes);
    append(bytes, static_cast<std::uint32_t>(pack.records.size()));
    append_records(bytes, pack.records);
  }
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
  if (fields.left() > 0) return damaged("it has more than its packs");
  return packs;
}

Status PackIndex::refresh(ObjectStorage& storage, const Formats& formats, std::size_t parallel) {
  CAIRN_TRY(const auto listed, list_all(storage, kIndexPrefix));
  InFlight<Fetched> fetches(parallel, [this](Fetched fetched) {
    if (fetched.damage.empty()) {
      add(fetched.name, std::move(fetched.packs));
    } else {
      damaged_.push_back(std::move(fetched.damage));
    }
    return Status();
  });
  for (const ObjectStorage::Listed& one : listed) {
    auto name = parse_digest(formats.digest_kind(), std::string_view(one.key).substr(kIndexPrefix.size()));
    // Nothing of ours.
    if (!name.ok() || indexes_.contains(*name)) continue;
    CAIRN_CHECK(fetches.begin([&storage, &formats, name = *name] { return fetch(storage, formats, name); }));
  }
  return fetches.finish();
}

void PackIndex::add(const Digest& index, std::vector<Pack> packs) {
  indexes_.insert(index);
  for (Pack& pack : packs) {
    const auto [at, fresh] = packs_.try_emplace(pack.name, std::move(pack));
    if (!fresh) continue;
    for (std::size_t i = 0; i < at->second.records.size(); ++i) {
      places_.try_emplace(at->second.records[i].id, Where{.pack = &at->second, .record = i});
    }
  }
}

std::optional<PackIndex::Place> PackIndex::find(const ContentId& id) const {
  auto found = places_.find(id);
  if (found == places_.end() && id.kind == kBlob) found = places_.find({kBlock, id.digest});
  if (found == places_.end()) return std::nullopt;
  return Place{.pack = found->second.pack, .record = &found->second.pack->records[found->second.record]};
}

}  // namespace cairn::mirror
