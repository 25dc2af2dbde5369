// SPDX-License-Identifier: Apache-2.0
#include "replication/fetch.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "replication/in_flight.h"

namespace cairn::mirror {
namespace {

// Neighbours, read with one request.
struct Stretch {
  const Pack* pack = nullptr;
  std::vector<const PackedRecord*> records;
  std::uint64_t begin = 0, end = 0;
};

struct Read {
  std::vector<std::byte> bytes;
  std::vector<Content> contents = {};  // their payloads lie in `bytes`
};

std::vector<Stretch> stretches_of(std::vector<PackIndex::Place> places, const FetchOptions& options) {
  std::unordered_map<const Pack*, std::size_t> turns;
  for (const PackIndex::Place& place : places) turns.try_emplace(place.pack, turns.size());
  std::ranges::sort(
      places, {}, [&](const PackIndex::Place& place) { return std::pair(turns.at(place.pack), place.record->offset); });
  std::vector<Stretch> stretches;
  for (const auto& [pack, record] : places) {
    const std::uint64_t begin = record->offset, end = begin + record->stored_bytes;
    const bool joins = !stretches.empty() && stretches.back().pack == pack &&
                       begin <= stretches.back().end + options.gap_bytes &&
                       end - stretches.back().begin <= options.request_bytes;
    if (!joins) stretches.push_back({.pack = pack, .records = {}, .begin = begin, .end = end});
    stretches.back().records.push_back(record);
    stretches.back().end = std::max(stretches.back().end, end);
  }
  return stretches;
}

Result<std::vector<std::byte>> read_bytes(ObjectStorage& storage, const Formats& formats, const Stretch& stretch) {
  const std::uint64_t length = stretch.end - stretch.begin;
  if (length == 0) return std::vector<std::byte>();
  const std::string key = pack_key(formats, stretch.pack->name);
  CAIRN_TRY(auto bytes, storage.get_range(key, {.offset = stretch.begin, .length = length}));
  if (!bytes || bytes->size() != length) {
    return make_error(ErrorCode::corruption, "'" + key + "' in the mirror is missing, or shorter than its index says");
  }
  return *std::move(bytes);
}

Result<Read> read(ObjectStorage& storage, const Formats& formats, const Stretch& stretch, const CheckContent& check) {
  CAIRN_TRY(auto bytes, read_bytes(storage, formats, stretch));
  Read result{.bytes = std::move(bytes)};
  result.contents.reserve(stretch.records.size());
  for (const PackedRecord* record : stretch.records) {
    Content& content = result.contents.emplace_back();
    content = {.id = record->id,
               .codec = record->codec,
               .logical_bytes = record->logical_bytes,
               .checksum = record->checksum,
               .bases = record->bases,
               .payload = Bytes(result.bytes).subspan(record->offset - stretch.begin, record->stored_bytes)};
    if (check) CAIRN_CHECK(check(content));
  }
  return result;
}

}  // namespace

Status fetch(ObjectStorage& storage, const Formats& formats, std::vector<PackIndex::Place> places,
             const FetchOptions& options, FetchCounters& counters, const TakeContent& take, const CheckContent& check) {
  InFlight<Read> reads(options.parallel, [&](const Read& done) -> Status {
    ++counters.requests;
    counters.bytes += done.bytes.size();
    for (const Content& content : done.contents) CAIRN_CHECK(take(content));
    return {};
  });
  for (Stretch& stretch : stretches_of(std::move(places), options)) {
    CAIRN_CHECK(reads.begin(
        [&storage, &formats, &check, stretch = std::move(stretch)] { return read(storage, formats, stretch, check); }));
  }
  return reads.finish();
}

}  // namespace cairn::mirror
