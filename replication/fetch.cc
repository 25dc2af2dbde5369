// SPDX-License-Identifier: Apache-2.0
#include "replication/fetch.h"

#include <algorithm>
#include <tuple>
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
  Stretch stretch;
  std::vector<std::byte> bytes;
};

std::vector<Stretch> stretches_of(std::vector<PackIndex::Place> places, const FetchOptions& options) {
  std::ranges::sort(places, [](const PackIndex::Place& a, const PackIndex::Place& b) {
    return std::tie(a.pack->name, a.record->offset) < std::tie(b.pack->name, b.record->offset);
  });
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

Result<Read> read(ObjectStorage& storage, const Formats& formats, Stretch stretch) {
  Read result{.stretch = std::move(stretch), .bytes = {}};
  const std::uint64_t length = result.stretch.end - result.stretch.begin;
  if (length == 0) return result;
  const std::string key = pack_key(formats, result.stretch.pack->name);
  CAIRN_TRY(auto bytes, storage.get_range(key, {.offset = result.stretch.begin, .length = length}));
  if (!bytes || bytes->size() != length) {
    return make_error(ErrorCode::corruption, "'" + key + "' in the mirror is missing, or shorter than its index says");
  }
  result.bytes = *std::move(bytes);
  return result;
}

}  // namespace

Status fetch(ObjectStorage& storage, const Formats& formats, std::vector<PackIndex::Place> places,
             const FetchOptions& options, FetchCounters& counters, const TakeContent& take) {
  InFlight<Read> reads(options.parallel, [&](const Read& done) -> Status {
    ++counters.requests;
    counters.bytes += done.bytes.size();
    for (const PackedRecord* record : done.stretch.records) {
      const Bytes payload = Bytes(done.bytes).subspan(record->offset - done.stretch.begin, record->stored_bytes);
      CAIRN_CHECK(take({.id = record->id,
                        .codec = record->codec,
                        .logical_bytes = record->logical_bytes,
                        .checksum = record->checksum,
                        .bases = record->bases,
                        .payload = payload}));
    }
    return {};
  });
  for (Stretch& stretch : stretches_of(std::move(places), options)) {
    CAIRN_CHECK(reads.begin([&storage, &formats, stretch = std::move(stretch)]() mutable {
      return read(storage, formats, std::move(stretch));
    }));
  }
  return reads.finish();
}

}  // namespace cairn::mirror
