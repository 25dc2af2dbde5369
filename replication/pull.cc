// SPDX-License-Identifier: Apache-2.0
#include "replication/pull.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

namespace cairn::mirror {
namespace {

// Said together: of so many, and so large.
constexpr std::size_t kStatementsAtOnce = 1000;
constexpr std::size_t kStatementBytesAtOnce = 16u << 20;
// Blocks that are the difference from others which are so themselves: no store has more of them in a row.
constexpr std::size_t kRoundsMax = 20;

std::span<const Statement> some_of(std::span<const Statement> statements) {
  std::size_t count = 0, bytes = 0;
  while (count < statements.size() && count < kStatementsAtOnce) {
    bytes += statements[count].key.size() + statements[count].payload.size();
    if (count > 0 && bytes > kStatementBytesAtOnce) break;
    ++count;
  }
  return statements.first(count);
}

Error missing(const Formats& formats, const ContentId& id) {
  return make_error(ErrorCode::corruption, (id.kind == kBlock ? "block " : "object ") +
                                               to_text(formats.digest_kind(), id.digest) +
                                               " is needed, and is not in the mirror");
}

}  // namespace

Puller::Puller(Destination& store, ObjectStorage& storage, const Formats& formats, const PackIndex& index,
               PullOptions options)
    : store_(store), storage_(storage), formats_(formats), index_(index), options_(std::move(options)) {}

Status Puller::pull(std::span<const Statement> statements) {
  std::vector<ContentId> wanted;
  for (const Statement& statement : statements) {
    CAIRN_TRY(const auto needs, formats_.needs_of(statement));
    wanted.insert(wanted.end(), needs.begin(), needs.end());
  }
  CAIRN_CHECK(bring_objects(wanted));
  CAIRN_CHECK(bring_blocks());
  CAIRN_CHECK(store_.commit());
  while (!statements.empty()) {
    const auto some = some_of(statements);
    CAIRN_CHECK(store_.say(some));
    report_.statements += some.size();
    statements = statements.subspan(some.size());
  }
  return {};
}

Result<std::vector<ContentId>> Puller::heal(std::vector<ContentId> wanted) {
  heals_ = true;
  CAIRN_CHECK(bring_objects(wanted));
  CAIRN_CHECK(bring_blocks());
  CAIRN_CHECK(store_.commit());
  CAIRN_CHECK(store_.say({}));
  return std::move(lacking_);
}

// One level of the graph after the other: all that is wanted of a level is fetched together, and its parts take its
// place.
Status Puller::bring_objects(const std::vector<ContentId>& wanted) {
  std::vector<Wanted> level;
  for (const ContentId& id : wanted) CAIRN_CHECK(sort_out(id, level));
  while (true) {
    std::vector<PackIndex::Place> objects;
    for (const Wanted& one : level) {
      if (one.id.kind != kBlock) objects.push_back(*one.place);
    }
    if (objects.empty()) break;
    std::unordered_map<ContentId, std::vector<ContentId>, ContentIdHash> parts;
    const auto take = [&](const Content& object) -> Status {
      CAIRN_TRY(parts[object.id], formats_.parts_of(object.id, object.payload));
      return put(object);
    };
    CAIRN_CHECK(fetch(storage_, formats_, std::move(objects), options_.fetch, report_.fetched, take));
    std::vector<Wanted> below;
    for (const Wanted& one : level) {
      if (one.id.kind == kBlock) {
        below.push_back(one);
        continue;
      }
      for (const ContentId& part : parts[one.id]) CAIRN_CHECK(sort_out(part, below));
    }
    level = std::move(below);
  }
  for (const Wanted& block : level) blocks_.push_back(*block.place);
  return {};
}

Status Puller::sort_out(const ContentId& wanted, std::vector<Wanted>& lacking) {
  std::vector<ContentId> pending{wanted};
  while (!pending.empty()) {
    const ContentId id = pending.back();
    pending.pop_back();
    if (options_.progress && seen_.size() % 1024 == 0) CAIRN_CHECK(options_.progress(report_));
    if (!seen_.insert(id).second) continue;
    CAIRN_TRY(const auto known, store_.parts_of(id));
    if (known) {
      // An object that nothing keeps may have lost its parts.
      pending.insert(pending.end(), known->rbegin(), known->rend());
      continue;
    }
    const auto place = index_.find(id);
    if (!place && heals_) {
      lacking_.push_back(id);
      continue;
    }
    if (!place) return missing(formats_, id);
    const ContentId& found = place->record->id;
    // A blob may be this very block.
    if (found != id && !seen_.insert(found).second) continue;
    lacking.push_back({.id = found, .place = place});
    for (const Digest& base : place->record->bases) pending.push_back({kBlock, base});
  }
  return {};
}

// Blocks that are the difference from others come behind those, which are committed then.
Status Puller::bring_blocks() {
  std::unordered_set<Digest> coming;
  for (const PackIndex::Place& place : blocks_) coming.insert(place.record->id.digest);
  for (std::size_t round = 0; !blocks_.empty(); ++round) {
    const auto waits = std::stable_partition(blocks_.begin(), blocks_.end(), [&](const PackIndex::Place& place) {
      return std::ranges::none_of(place.record->bases, [&](const Digest& base) { return coming.contains(base); });
    });
    std::vector<PackIndex::Place> now(blocks_.begin(), waits);
    if (now.empty() || round == kRoundsMax) {
      return make_error(ErrorCode::corruption,
                        "blocks of the mirror are the difference from each other, in a circle or without end");
    }
    blocks_.erase(blocks_.begin(), waits);
    for (const PackIndex::Place& place : now) coming.erase(place.record->id.digest);
    const auto take = [this](const Content& block) { return put(block); };
    const auto check = [this](Content& block) { return store_.check(block); };
    CAIRN_CHECK(fetch(storage_, formats_, std::move(now), options_.fetch, report_.fetched, take, check));
    if (!blocks_.empty()) CAIRN_CHECK(store_.commit());
  }
  return {};
}

Status Puller::put(const Content& content) {
  CAIRN_CHECK(store_.put(content));
  ++report_.records;
  return options_.progress ? options_.progress(report_) : Status();
}

}  // namespace cairn::mirror
