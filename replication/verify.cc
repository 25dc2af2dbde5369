// SPDX-License-Identifier: Apache-2.0
#include "replication/verify.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "replication/fetch.h"
#include "replication/in_flight.h"
#include "replication/journal.h"

namespace cairn::mirror {
namespace {

class Verification {
 public:
  Verification(ObjectStorage& storage, const Formats& formats, const VerifyOptions& options)
      : storage_(storage), formats_(formats), options_(options) {}

  Result<VerifyReport> run() {
    // Journals before indexes: what a journal needs is in an index by then.
    std::vector<ContentId> needs;
    CAIRN_TRY(const auto stores, list_stores(storage_));
    for (const Uuid& uuid : stores) CAIRN_CHECK(read_statements(uuid, needs));
    CAIRN_CHECK(index_.refresh(storage_, formats_, options_.parallel));
    for (const std::string& damaged : index_.damaged()) problem(damaged);
    for (const auto& [key, index] : index_.indexes()) {
      if (index.standing != Standing::outgoing) in_use_.insert(index.packs.begin(), index.packs.end());
    }
    CAIRN_CHECK(follow(std::move(needs)));
    CAIRN_CHECK(compare_packs());
    if (options_.read_data) CAIRN_CHECK(read_packs());
    return std::move(report_);
  }

 private:
  void problem(std::string words) {
    if (report_.problems.size() < VerifyReport::kProblemsMax) report_.problems.push_back(std::move(words));
  }
  // What was not as it should be is a finding; what could not be asked is an error.
  Status note(const Error& error) {
    if (error.code != ErrorCode::corruption && error.code != ErrorCode::not_found &&
        error.code != ErrorCode::resource_exhausted) {
      return error;
    }
    problem(error.message);
    return {};
  }

  Status read_statements(const Uuid& uuid, std::vector<ContentId>& needs) {
    ++report_.stores;
    auto store = read_store(storage_, formats_, uuid, options_.parallel);
    if (!store.ok()) return note(store.error());
    for (const auto& [key, statement] : store->fold) {
      ++report_.statements;
      auto needed = formats_.needs_of(statement);
      if (needed.ok()) {
        needs.insert(needs.end(), needed->begin(), needed->end());
      } else {
        CAIRN_CHECK(note(needed.error()));
      }
    }
    return {};
  }

  Status compare_packs() {
    CAIRN_TRY(const auto listed, list_all(storage_, kPacksPrefix));
    std::map<std::string, std::uint64_t> sizes;
    for (const ObjectStorage::Listed& one : listed) sizes[one.key] = one.bytes;
    for (const auto& [name, pack] : index_.packs()) {
      if (!in_use_.contains(name)) continue;
      ++report_.packs;
      report_.records += pack.records.size();
      report_.pack_bytes += pack.bytes;
      const std::string key = pack_key(formats_, name);
      const auto found = sizes.find(key);
      if (found == sizes.end()) {
        problem("'" + key + "' is missing in the mirror");
      } else if (found->second != pack.bytes) {
        problem("'" + key + "' has " + std::to_string(found->second) + " bytes, not " + std::to_string(pack.bytes));
      }
    }
    return {};
  }

  // One level of the graph after the other.
  Status follow(std::vector<ContentId> wanted) {
    std::unordered_set<ContentId, ContentIdHash> seen;
    while (!wanted.empty()) {
      std::vector<PackIndex::Place> objects;
      for (const ContentId& id : std::exchange(wanted, {})) {
        if (!seen.insert(id).second) continue;
        const auto place = index_.find(id);
        if (!place) {
          problem(to_text(formats_.digest_kind(), id.digest) + " is needed, and is not in the mirror");
          continue;
        }
        in_use_.insert(place->pack->name);
        for (const Digest& base : place->record->bases) wanted.push_back({kBlock, base});
        if (place->record->id.kind != kBlock) objects.push_back(*place);
      }
      FetchCounters counters;
      const auto take = [&](const Content& object) -> Status {
        if (const Status good = formats_.check_object(object); !good.ok()) return note(good.error());
        const auto parts = formats_.parts_of(object.id, object.payload);
        if (!parts.ok()) return note(parts.error());
        wanted.insert(wanted.end(), parts->begin(), parts->end());
        return {};
      };
      // What is missing was named before; the rest of a level is not looked at then.
      const Status read =
          fetch(storage_, formats_, std::move(objects), {.parallel = options_.parallel}, counters, take);
      report_.bytes_read += counters.bytes;
      if (!read.ok()) CAIRN_CHECK(note(read.error()));
      if (options_.progress) CAIRN_CHECK(options_.progress(report_));
    }
    return {};
  }

  Status read_packs() {
    InFlight<std::string> reads(options_.parallel, [this](const std::string& wrong) -> Status {
      if (!wrong.empty()) problem(wrong);
      return options_.progress ? options_.progress(report_) : Status();
    });
    for (const auto& [name, pack] : index_.packs()) {
      if (!in_use_.contains(name)) continue;
      report_.bytes_read += pack.bytes;
      CAIRN_CHECK(reads.begin([this, &pack = pack] { return wrong_with(pack); }));
    }
    return reads.finish();
  }

  // Any thread.
  Result<std::string> wrong_with(const Pack& pack) const {
    const std::string key = pack_key(formats_, pack.name);
    const auto read = storage_.get(key, Pack::kBytesMax);
    if (!read.ok() && read.error().code != ErrorCode::resource_exhausted) return read.error();
    if (!read.ok() || !*read) return std::string();  // named before, by its size
    const std::vector<std::byte>& bytes = **read;
    if (formats_.digest_of(bytes) != pack.name) return "'" + key + "' is not what its name says";
    const auto records = read_pack_table(bytes);
    if (!records.ok()) return "'" + key + "': " + records.error().message;
    // An index may have some of them alone.
    std::unordered_map<ContentId, const PackedRecord*, ContentIdHash> there;
    for (const PackedRecord& record : *records) there.emplace(record.id, &record);
    const bool same = std::ranges::all_of(pack.records, [&there](const PackedRecord& record) {
      const auto found = there.find(record.id);
      return found != there.end() && *found->second == record;
    });
    return same ? std::string() : "'" + key + "' and its index do not say the same";
  }

  ObjectStorage& storage_;
  const Formats& formats_;
  const VerifyOptions& options_;
  PackIndex index_;
  std::unordered_set<Digest> in_use_;  // packs that are not outgoing, or needed still
  VerifyReport report_;
};

}  // namespace

Result<VerifyReport> verify(ObjectStorage& storage, const Formats& formats, const VerifyOptions& options) {
  return Verification(storage, formats, options).run();
}

}  // namespace cairn::mirror
