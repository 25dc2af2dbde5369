// SPDX-License-Identifier: Apache-2.0
#include "replication/gc.h"

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "replication/in_flight.h"
#include "replication/journal.h"
#include "replication/live_content.h"

namespace cairn::mirror {
namespace {

using Time = std::chrono::sys_seconds;

constexpr std::string_view kBegan = "reclaim/began-";
constexpr std::size_t kRemovedAtOnce = 1000;
// So many indexes of what counts are as good as one.
constexpr std::size_t kIndexesFew = 8;
// Of one index: some 64 MiB.
constexpr std::size_t kIndexRecords = 1u << 20;
// Of a record in a pack's table, and of what a pack ends with.
constexpr std::uint64_t kTableRecordBytes = 56, kPackEndBytes = 48;

std::string nonce() {
  std::random_device random;
  std::array<std::byte, 16> bytes{};
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return hex(bytes);
}

std::uint64_t packed_bytes(const PackedRecord& record) {
  return record.stored_bytes + kTableRecordBytes + Digest::kSize * record.bases.size();
}

// One pass: notes what nobody needs, and removes what was noted long enough ago.
class Reclaim {
 public:
  Reclaim(ObjectStorage& storage, const Formats& formats, const GcOptions& options, GcReport& report)
      : storage_(storage), formats_(formats), options_(options), report_(report) {}

  Status run() {
    CAIRN_CHECK(begin());
    CAIRN_CHECK(read_stores());
    CAIRN_CHECK(index_.refresh(storage_, formats_, options_.parallel, outgoing_, PackIndex::Wanted::all));
    CAIRN_TRY(listed_packs_, list_all(storage_, kPacksPrefix));
    LiveContent live(storage_, formats_, index_, listed_packs_, {.parallel = 2 * options_.parallel},
                     [this] { return progress(); });
    CAIRN_CHECK(find_live(live));
    choose_due();
    choose_packs(live);
    if (options_.dry_run) return {};
    CAIRN_CHECK(copy(live));
    CAIRN_CHECK(name_lost(live));
    CAIRN_CHECK(note(live));
    keep_doubtful(live);
    return remove_due();
  }

 private:
  Status progress() { return options_.progress ? options_.progress(report_) : Status(); }

  // From now on whoever pushes sees that something goes on.
  Status begin() {
    const std::string own = std::string(kBegan) + nonce();
    if (!options_.dry_run) CAIRN_CHECK(put_whole(storage_, own, {}));
    CAIRN_TRY(outgoing_, read_outgoing(storage_, formats_));
    bool is_there = options_.dry_run;
    for (const ObjectStorage::Listed& one : outgoing_.listed) {
      if (one.key == own) {
        is_there = true;
        now_ = one.modified;
      }
      if (one.key != own && one.key.starts_with(kBegan)) began_before_.push_back(one.key);
    }
    if (!is_there) return beside_another();
    if (options_.dry_run) return guess_now();
    if (now_ || options_.grace.count() == 0) return {};
    return make_error(ErrorCode::unsupported,
                      "the remote does not say when something was put: reclaim with a grace of 0, while nobody else "
                      "uses the mirror");
  }

  static Error beside_another() {
    return {.code = ErrorCode::conflict, .message = "somebody else reclaims the same mirror now", .retryable = true};
  }

  // Nothing was put to ask for the time: it is later than anything was.
  Status guess_now() {
    CAIRN_TRY(const auto all, list_all(storage_, {}));
    for (const ObjectStorage::Listed& one : all) now_ = std::max(now_, one.modified);
    return {};
  }

  // Put longer ago than the grace. Times are in whole seconds, so that one more has to pass.
  bool is_old(const std::optional<Time>& modified) const {
    if (options_.grace.count() == 0) return true;
    return now_ && modified && *now_ - *modified > options_.grace;
  }

  struct StoreSays {
    MirroredStore said;
    std::vector<std::string> merged;  // journals that are contained in others, and old
  };

  Status read_stores() {
    std::uint64_t statements = 0;
    CAIRN_TRY(const auto uuids, list_stores(storage_));
    for (const Uuid& uuid : uuids) {
      CAIRN_CHECK(progress());
      const std::string prefix = journal_prefix(uuid);
      CAIRN_TRY(const auto listed, list_all(storage_, prefix));
      StoreSays& store = stores_[uuid];
      auto said = read_store(storage_, formats_, uuid, options_.parallel);
      if (!said.ok()) return cannot_tell(uuid, said.error());
      store.said = std::move(said).value();
      for (const JournalKey& journal : journals_of(listed, prefix).contained) {
        const auto at = std::ranges::find(listed, journal.key, &ObjectStorage::Listed::key);
        if (is_old(at->modified)) store.merged.push_back(journal.key);
      }
      for (const auto& [key, statement] : store.said.fold) {
        auto needs = formats_.needs_of(statement);
        if (!needs.ok()) return cannot_tell(uuid, needs.error());
        needed_.insert(needed_.end(), needs->begin(), needs->end());
      }
      statements += store.said.fold.size();
    }
    report_.statements = statements;
    report_.stores = stores_.size();
    return {};
  }
  static Error cannot_tell(const Uuid& uuid, Error why) {
    why.message = "what store " + hex(uuid) + " needs of the mirror cannot be told: " + why.message;
    return why;
  }

  Status find_live(LiveContent& live) {
    std::vector<ContentId> wanted = needed_;
    for (const auto& [key, read] : index_.indexes()) {
      if (is_adopted(key, read)) add_records(read, wanted);
    }
    CAIRN_CHECK(live.follow(std::move(wanted)));
    CAIRN_CHECK(live.search_unlisted());
    CAIRN_CHECK(live.break_circles());
    if (options_.read_data) CAIRN_CHECK(read_packs(live));
    return {};
  }

  // Whether what an index has is kept, although no journal needs it yet. A push puts its index before its journal; and
  // one that did not know of a note may rely on what that names, and others on it by now.
  bool is_adopted(const std::string& key, const PackIndex::Read& read) const {
    if (read.standing != Standing::counts || outgoing_.made.contains(key)) return false;
    return !outgoing_.notes.empty() || !is_old(read.modified);
  }
  void add_records(const PackIndex::Read& read, std::vector<ContentId>& wanted) const {
    for (const Digest& name : read.packs) {
      for (const PackedRecord& record : index_.packs().at(name).records) wanted.push_back(record.id);
    }
  }

  Status read_packs(LiveContent& live) {
    InFlight<const Pack*> reads(options_.parallel, [&](const Pack* damaged) {
      if (damaged != nullptr) live.set_damaged(*damaged);
      return progress();
    });
    for (const auto& [name, pack] : index_.packs()) {
      if (outgoing_.has(pack_key(formats_, name))) continue;
      CAIRN_CHECK(reads.begin([this, &pack = pack]() -> Result<const Pack*> {
        const auto bytes = storage_.get(pack_key(formats_, pack.name), Pack::kBytesMax);
        if (!bytes.ok() && bytes.error().code != ErrorCode::resource_exhausted) return bytes.error();
        const bool good = bytes.ok() && *bytes && formats_.digest_of(**bytes) == pack.name;
        return good ? nullptr : &pack;
      }));
    }
    return reads.finish();
  }

  // Notes that are old enough. One of whose packs an index has that is not to be removed with it waits: that index was
  // put by somebody who did not know of the note.
  void choose_due() {
    std::vector<const Outgoing::Note*> due;
    for (const Outgoing::Note& note : outgoing_.notes) {
      if (is_old(note.at.modified)) due.push_back(&note);
    }
    for (std::size_t before = due.size() + 1; due.size() < before;) {
      before = due.size();
      std::set<std::string> removed;
      for (const Outgoing::Note* note : due) removed.insert(note->note.outgoing.begin(), note->note.outgoing.end());
      std::set<std::string> in_use;
      for (const auto& [key, read] : index_.indexes()) {
        if (removed.contains(key)) continue;
        for (const Digest& pack : read.packs) in_use.insert(pack_key(formats_, pack));
      }
      std::erase_if(due, [&](const Outgoing::Note* note) {
        return std::ranges::any_of(note->note.outgoing, [&](const std::string& key) { return in_use.contains(key); });
      });
    }
    due_ = std::move(due);
    for (const Outgoing::Note* note : due_) removed_.insert(note->note.outgoing.begin(), note->note.outgoing.end());
    report_.waiting_notes = outgoing_.notes.size() - due_.size();
  }

  // Packs that are left: those noted before, those that are damaged, and those of which too little is needed.
  void choose_packs(const LiveContent& live) {
    std::unordered_map<const Pack*, std::uint64_t> live_bytes;
    report_.live_bytes = 0;
    for (const auto& [id, item] : live.items()) {
      if (!item.place) continue;
      live_bytes[item.place->pack] += packed_bytes(*item.place->record);
      report_.live_bytes += item.place->record->stored_bytes;
    }
    std::unordered_set<Digest> in_use;  // by indexes that are not outgoing
    for (const auto& [key, read] : index_.indexes()) {
      if (read.standing != Standing::outgoing) in_use.insert(read.packs.begin(), read.packs.end());
    }
    report_.packs = report_.pack_bytes = 0;
    for (const auto& [name, pack] : index_.packs()) {
      const bool noted = outgoing_.has(pack_key(formats_, name));
      const auto found = live_bytes.find(&pack);
      const std::uint64_t needed = found == live_bytes.end() ? 0 : found->second + kPackEndBytes;
      const std::uint64_t dead = pack.bytes - std::min<std::uint64_t>(pack.bytes, needed);
      const bool too_dead = static_cast<double>(dead) > options_.max_dead * static_cast<double>(pack.bytes);
      if (!noted) {
        ++report_.packs;
        report_.pack_bytes += pack.bytes;
      }
      if (!noted && needed > 0 && !too_dead && !live.is_damaged(pack)) continue;
      left_.insert(name);
      // What is on its way out, and nothing that stays has any of it, was done before.
      if (noted && needed == 0 && !in_use.contains(name)) continue;
      leave(pack_key(formats_, name), pack.bytes, noted);
    }
    for (const ObjectStorage::Listed& pack : live.unlisted()) {
      if (is_old(pack.modified) && !outgoing_.has(pack.key)) leave(pack.key, pack.bytes, false);
    }
  }
  void leave(const std::string& key, std::uint64_t bytes, bool noted) {
    if (!removed_.contains(key)) noted_.outgoing.push_back(key);
    if (noted) return;
    ++report_.noted_packs;
    report_.noted_bytes += bytes;
  }

  // What is needed of the packs that are left, into new ones.
  Status copy(LiveContent& live) {
    const std::vector<std::byte> salt = salt_of(formats_, outgoing_);
    InFlight<Pack> uploads(options_.parallel, [this](Pack pack) {
      copies_.push_back(std::move(pack));
      return progress();
    });
    PackBuilder blocks, objects;
    const auto put_pack = [&](PackBuilder& builder) -> Status {
      if (builder.empty()) return {};
      auto built = std::make_shared<PackBuilder::Built>(builder.finish(formats_, salt));
      return uploads.begin([this, built]() -> Result<Pack> {
        CAIRN_CHECK(put_whole(storage_, pack_key(formats_, built->pack.name), built->bytes));
        return std::move(built->pack);
      });
    };
    const auto take = [&](const Content& content) -> Status {
      PackBuilder& builder = content.id.kind == kBlock ? blocks : objects;
      if (!builder.takes(content, options_.pack_bytes)) CAIRN_CHECK(put_pack(builder));
      builder.add(content);
      ++report_.copied_records;
      report_.copied_bytes += content.payload.size();
      return {};
    };
    CAIRN_CHECK(
        live.read([this](const LiveContent::Item& item) { return left_.contains(item.place->pack->name); }, take));
    CAIRN_CHECK(put_pack(blocks));
    CAIRN_CHECK(put_pack(objects));
    return uploads.finish();
  }

  // What is lost is told, and the stores that need it are asked to put it again.
  Status name_lost(LiveContent& live) {
    live.find_incomplete();
    report_.requests += live.counters().requests;
    report_.lost.clear();
    for (const ContentId& id : live.lost()) {
      if (report_.lost.size() == GcReport::kLostMax) break;
      report_.lost.push_back((id.kind == kBlock ? "block " : "object ") + to_text(formats_.digest_kind(), id.digest) +
                             " is lost");
    }
    for (const ContentId& id : live.not_whole()) {
      if (report_.lost.size() == GcReport::kLostMax) break;
      if (id.kind != kBlock || !live.at(id).place) continue;
      report_.lost.push_back("block " + to_text(formats_.digest_kind(), id.digest) +
                             " is the difference from what is lost, or from itself");
    }
    for (const auto& [uuid, store] : stores_) CAIRN_CHECK(ask_again(uuid, store.said, live));
    return {};
  }

  // The list is this reclaiming's alone: what is whole by now is not on it any more.
  Status ask_again(const Uuid& uuid, const MirroredStore& said, const LiveContent& live) {
    if (!said.facts) return {};
    CAIRN_CHECK(progress());
    std::vector<Statement> lost;
    for (const auto& [key, statement] : said.fold) {
      CAIRN_TRY(const auto needs, formats_.needs_of(statement));
      if (std::ranges::all_of(needs, [&](const ContentId& id) { return live.at(id).whole; })) continue;
      lost.push_back({.kind = key.first, .removed = false, .key = key.second, .payload = {}});
    }
    // One that is damaged is written anew.
    const auto known = read_lost(storage_, formats_, uuid);
    if (!known.ok() && known.error().code != ErrorCode::corruption) return known.error();
    if (known.ok() && *known == lost) return {};
    is_new_loss_ = is_new_loss_ || !lost.empty();
    return put_lost(storage_, formats_, *said.facts, lost);
  }

  // What could not be read for the first time may have been read badly: nothing goes that might have it before the next
  // call has read it again.
  void keep_doubtful(const LiveContent& live) {
    if (!is_new_loss_) return;
    const bool is_doubtful = std::ranges::any_of(index_.packs(), [&](const auto& one) {
      return live.is_damaged(one.second) && removed_.contains(pack_key(formats_, one.first));
    });
    if (is_doubtful) due_.clear();
    report_.waiting_notes = outgoing_.notes.size() - due_.size();
  }

  // An index of what counts instead of all there are, where one is due; then the note of what is outgoing.
  Status note(LiveContent& live) {
    if (is_due(live)) CAIRN_CHECK(put_indexes(live));
    if (noted_.outgoing.empty()) return {};
    std::ranges::sort(noted_.outgoing);
    const std::vector<std::byte> bytes = encode_note(noted_);
    return put_whole(storage_, note_key(formats_, bytes), bytes);
  }

  bool is_due(const LiveContent& live) const {
    const bool all_whole = std::ranges::all_of(live.items(), [](const auto& one) { return one.second.whole; });
    std::size_t counting = 0;
    for (const auto& [key, read] : index_.indexes()) {
      if (read.standing == Standing::outgoing) continue;
      if (read.damaged || (read.standing == Standing::incomplete && all_whole)) return true;
      counting += read.standing == Standing::counts ? 1 : 0;
      // An index must have nothing of a pack that leaves.
      if (std::ranges::any_of(read.packs, [this](const Digest& pack) { return left_.contains(pack); })) return true;
    }
    if (counting > kIndexesFew) return true;
    return std::ranges::any_of(live.items(), [](const auto& one) {
      const LiveContent::Item& item = one.second;
      return item.place && item.standing != (item.whole ? Standing::counts : Standing::incomplete);
    });
  }

  Status put_indexes(LiveContent& live) {
    std::map<Digest, Pack> whole, incomplete;  // what is needed of each pack
    const auto add = [&](const Pack& pack, const PackedRecord& record) {
      std::map<Digest, Pack>& packs = live.at(record.id).whole ? whole : incomplete;
      Pack& entry = packs[pack.name];
      entry.name = pack.name;
      entry.bytes = pack.bytes;
      entry.records.push_back(record);
    };
    for (const auto& [id, item] : live.items()) {
      if (item.place && !left_.contains(item.place->pack->name)) add(*item.place->pack, *item.place->record);
    }
    for (const Pack& pack : copies_) {
      for (const PackedRecord& record : pack.records) add(pack, record);
    }
    CAIRN_CHECK(put_index(whole, {}));
    CAIRN_CHECK(put_index(incomplete, kIncomplete));
    for (const auto& [key, read] : index_.indexes()) {
      const bool again = std::ranges::find(noted_.made, key) != noted_.made.end();
      if (read.standing != Standing::outgoing && !again) noted_.outgoing.push_back(key);
    }
    return {};
  }

  Status put_index(std::map<Digest, Pack>& packs, std::string_view ending) {
    std::vector<Pack> some;
    std::size_t records = 0;
    const auto put = [&]() -> Status {
      const std::vector<std::byte> bytes = encode_index(some, salt_of(formats_, outgoing_));
      noted_.made.push_back(index_key(formats_, formats_.digest_of(bytes)) + std::string(ending));
      some.clear();
      records = 0;
      // Nobody else's reclaiming has noted meanwhile what is to be relied on here.
      CAIRN_TRY(const bool unchanged, is_unchanged(storage_, outgoing_));
      if (!unchanged) return beside_another();
      return put_whole(storage_, noted_.made.back(), bytes);
    };
    for (auto& [name, pack] : packs) {
      std::ranges::sort(pack.records, {}, &PackedRecord::offset);
      records += pack.records.size();
      some.push_back(std::move(pack));
      if (records >= kIndexRecords) CAIRN_CHECK(put());
    }
    return some.empty() ? Status() : put();
  }

  // Indexes before the packs that they have, and a note when nothing is left of what it names.
  Status remove_due() {
    std::vector<std::string> indexes, packs, notes = began_before_, merged;
    for (const Outgoing::Note* note : due_) {
      notes.push_back(note->at.key);
      for (const std::string& key : note->note.outgoing) {
        (key.starts_with(kIndexPrefix) ? indexes : packs).push_back(key);
      }
    }
    for (const auto& [uuid, store] : stores_) merged.insert(merged.end(), store.merged.begin(), store.merged.end());
    CAIRN_CHECK(remove(indexes));
    CAIRN_CHECK(remove(packs));
    CAIRN_CHECK(remove(notes));
    CAIRN_CHECK(remove(merged));
    std::map<std::string_view, std::uint64_t> sizes;
    for (const ObjectStorage::Listed& pack : listed_packs_) sizes[pack.key] = pack.bytes;
    for (const std::string& key : packs) {
      const auto found = sizes.find(key);
      if (found == sizes.end()) continue;
      ++report_.removed_packs;
      report_.removed_bytes += found->second;
    }
    report_.removed_indexes += indexes.size();
    report_.removed_journals += merged.size();
    return {};
  }

  Status remove(const std::vector<std::string>& keys) {
    for (std::size_t begin = 0; begin < keys.size(); begin += kRemovedAtOnce) {
      CAIRN_CHECK(progress());
      const std::size_t end = std::min(keys.size(), begin + kRemovedAtOnce);
      CAIRN_TRY(const auto left, storage_.remove({keys.begin() + static_cast<std::ptrdiff_t>(begin),
                                                  keys.begin() + static_cast<std::ptrdiff_t>(end)}));
      if (left.empty()) continue;
      Error error = left.front().error;
      error.message = "'" + left.front().key + "' cannot be removed: " + error.message;
      return error;
    }
    return {};
  }

  ObjectStorage& storage_;
  const Formats& formats_;
  const GcOptions& options_;
  GcReport& report_;
  std::optional<Time> now_;  // by the remote's clock
  Outgoing outgoing_;        // as of when everything else was read
  std::vector<std::string> began_before_;
  std::map<Uuid, StoreSays> stores_;
  std::vector<ContentId> needed_;
  PackIndex index_;
  std::vector<ObjectStorage::Listed> listed_packs_;
  std::vector<const Outgoing::Note*> due_;
  std::unordered_set<std::string> removed_;  // keys that they name
  std::unordered_set<Digest> left_;          // packs whose content is not to be found there any more
  std::vector<Pack> copies_;                 // that have it instead
  bool is_new_loss_ = false;                 // something is lost that was not before
  OutgoingNote noted_;
};

}  // namespace

Result<GcReport> gc(ObjectStorage& storage, const Formats& formats, const GcOptions& options) {
  GcReport report;
  CAIRN_CHECK(Reclaim(storage, formats, options, report).run());
  // What was noted now is as any other note: all that is needed is looked for once more before it is removed.
  if (options.grace.count() == 0 && !options.dry_run) CAIRN_CHECK(Reclaim(storage, formats, options, report).run());
  return report;
}

}  // namespace cairn::mirror
