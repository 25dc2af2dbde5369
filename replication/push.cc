// SPDX-License-Identifier: Apache-2.0
#include "replication/push.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <memory>
#include <unordered_set>
#include <utility>

#include "replication/in_flight.h"
#include "replication/journal_merge.h"

namespace cairn::mirror {
namespace {

// Of one push, while others reclaim.
constexpr std::uint64_t kRunsMax = 8;

}  // namespace

// One call of push(), or what is left of it once somebody reclaimed.
class Pusher::Run {
 public:
  // `so_far` is of runs that began again.
  Run(Pusher& pusher, const PushReport& so_far)
      : pusher_(pusher),
        report_(so_far),
        blocks_(pack_memory()),
        uploads_(pusher.options_.parallel, [this](PackBuilder::Built built) { return uploaded(std::move(built)); }) {}

  Result<PushReport> run() {
    Cursor& scanned = pusher_.scanned_;
    scanned = std::max(scanned, pusher_.journals_.end);
    CAIRN_TRY(std::vector<Statement> statements, bring_again());
    for (bool has_more = true; has_more;) {
      CAIRN_TRY(Source::Changes changes, pusher_.source_.changes(scanned, options().journal_bytes));
      // Before the others: what was said again since is among them.
      if (changes.has_gap) CAIRN_CHECK(add_forgotten_removals(statements));
      CAIRN_CHECK(bring_all(std::move(changes.statements), statements));
      CAIRN_CHECK(put_index());
      // What says nothing is no reason for a request: the next journal begins where the last one ended.
      if (!statements.empty() && changes.to > pusher_.journals_.end) {
        CAIRN_CHECK(put_journal(changes.to, std::exchange(statements, {})));
      }
      has_more = changes.has_more && changes.to > scanned;
      scanned = std::max(scanned, changes.to);
    }
    // What could be brought now and has no journal to be in is tried once more.
    for (const Statement& statement : statements) {
      if (statement.removed) continue;
      report_.left_out.push_back(
          "what could not be read before is there by now, and is said with what is written next");
      leave_out(statement);
    }
    CAIRN_CHECK(note_left_out(left_out_));
    report_.to = scanned;
    return report_;
  }

  // What this run relied on may be on its way out.
  bool begins_again() const noexcept { return begins_again_; }
  const PushReport& report() const noexcept { return report_; }

 private:
  enum class Brought : std::uint8_t { yes, gone, unreadable };

  // What the mirror has, and the store does not say any more: nothing in the log may tell.
  Status add_forgotten_removals(std::vector<Statement>& statements) {
    const StoreFacts facts = pusher_.source_.facts();
    CAIRN_TRY(const MirroredStore mirrored,
              read_store(pusher_.storage_, pusher_.formats_, facts.uuid, options().parallel));
    for (const auto& [key, statement] : mirrored.fold) {
      CAIRN_TRY(const auto now, pusher_.source_.current(statement));
      if (!now) statements.push_back({.kind = key.first, .removed = true, .key = key.second, .payload = {}});
    }
    return {};
  }

  // What was left out before, or was lost, and holds still.
  Result<std::vector<Statement>> bring_again() {
    CAIRN_TRY(auto lost, current(pusher_.lost_));
    std::vector<Statement> said;  // they were said before, and are again what they were
    CAIRN_CHECK(bring_all(std::move(lost), said));
    CAIRN_TRY(auto left_out, current(pusher_.left_out_));
    std::vector<Statement> brought;
    CAIRN_CHECK(bring_all(std::move(left_out), brought));
    return brought;
  }
  Result<std::vector<Statement>> current(const std::vector<Statement>& like) {
    std::vector<Statement> current;
    for (const Statement& one : like) {
      CAIRN_TRY(auto now, pusher_.source_.current(one));
      if (now) current.push_back(*std::move(now));
    }
    return current;
  }

  // Brings what they need, and adds those that hold still.
  Status bring_all(std::vector<Statement> statements, std::vector<Statement>& brought) {
    for (Statement& statement : statements) {
      if (options().progress) CAIRN_CHECK(options().progress(report_));
      CAIRN_TRY(const bool there, bring(statement));
      if (there) brought.push_back(std::move(statement));
    }
    return {};
  }

  Result<bool> bring(const Statement& statement) {
    if (statement.removed) return true;
    CAIRN_TRY(const auto needs, pusher_.formats_.needs_of(statement));
    for (const ContentId& id : needs) {
      why_ = "content is missing in the store";
      CAIRN_TRY(const Brought brought, bring(id));
      if (brought == Brought::yes) continue;
      // It was removed, and reclaimed, since the log was looked at: what removed it comes later in the log.
      CAIRN_TRY(const auto now, pusher_.source_.current(statement));
      if (now != statement) return false;
      report_.left_out.push_back(why_);
      leave_out(statement);
      return false;
    }
    return true;
  }

  void leave_out(const Statement& statement) {
    left_out_.push_back({.kind = statement.kind, .removed = false, .key = statement.key, .payload = {}});
  }

  Result<std::optional<Content>> read(const ContentId& id, bool& unreadable) {
    auto content = pusher_.source_.read(id);
    const bool too_large = content.ok() && *content && (*content)->payload.size() > Pack::kBytesMax / 4 * 3;
    if (content.ok() && !too_large) return content;
    unreadable = too_large || content.error().code == ErrorCode::corruption || content.error().code == ErrorCode::io;
    if (!unreadable) return content;
    why_ = too_large ? "a record of " + std::to_string((*content)->payload.size()) + " bytes is too large for a mirror"
                     : content.error().message;
    return std::optional<Content>();
  }

  // What it relies on first.
  Result<Brought> bring(const ContentId& id) {
    if (pusher_.index_.contains(id) || is_pending(id)) return Brought::yes;
    bool unreadable = false;
    CAIRN_TRY(const auto content, read(id, unreadable));
    if (!content) return unreadable ? Brought::unreadable : Brought::gone;
    std::vector<ContentId> parts;
    for (const Digest& base : content->bases) parts.push_back({kBlock, base});
    if (content->id.kind != kBlock) {
      auto made_of = pusher_.formats_.parts_of(content->id, content->payload);
      if (!made_of.ok()) {
        why_ = made_of.error().message;
        return Brought::unreadable;
      }
      parts = std::move(made_of).value();
    }
    for (const ContentId& part : parts) {
      CAIRN_TRY(const Brought brought, bring(part));
      if (brought != Brought::yes) return brought;
    }
    // Objects are in packs of their own: whoever looks for something reads those alone.
    CAIRN_CHECK(add(*content, content->id.kind == kBlock ? blocks_ : objects_));
    return Brought::yes;
  }

  bool is_pending(const ContentId& id) const {
    return pending_.contains(id) || (id.kind == kBlob && pending_.contains({kBlock, id.digest}));
  }

  Status add(const Content& content, PackBuilder& builder) {
    if (!builder.takes(content, options().pack_bytes)) CAIRN_CHECK(put_pack(builder));
    builder.add(content);
    pending_.insert(content.id);
    ++records_;
    ++report_.records;
    report_.content_bytes += content.payload.size();
    return {};
  }

  Status put_pack(PackBuilder& builder) {
    CAIRN_CHECK(upload(builder));
    const bool enough = packs_ >= options().packs_per_index || records_ >= options().records_per_index;
    return enough ? end_index() : Status();
  }

  Status upload(PackBuilder& builder) {
    if (builder.empty()) return {};
    if (options().progress) CAIRN_CHECK(options().progress(report_));
    const auto filled = std::make_shared<PackBuilder>(std::exchange(builder, PackBuilder()));
    const auto put = [this, filled,
                      salt = salt_of(pusher_.formats_, pusher_.outgoing_)]() -> Result<PackBuilder::Built> {
      PackBuilder::Built built = filled->finish(pusher_.formats_, salt);
      CAIRN_CHECK(put_whole(pusher_.storage_, pack_key(pusher_.formats_, built.pack.name), built.bytes));
      return built;
    };
    CAIRN_CHECK(uploads_.begin(put));
    ++begun_;
    ++packs_;
    builder = PackBuilder(pack_memory());
    return {};
  }

  // That of a pack which is uploaded, or fresh: there is as much of it as there are packs under way and being filled.
  std::vector<std::byte> pack_memory() {
    std::vector<std::byte> memory;
    if (!memory_.empty()) {
      memory = std::move(memory_.back());
      memory_.pop_back();
    }
    // With room for the table, so that it is not moved for that.
    memory.reserve(std::size_t{options().pack_bytes} + options().pack_bytes / 32);
    return memory;
  }

  // Packs are taken in the order in which they were begun.
  Status uploaded(PackBuilder::Built built) {
    ++report_.packs;
    ++report_.requests;
    report_.sent_bytes += built.pack.bytes;
    uploaded_.push_back(std::move(built.pack));
    memory_.push_back(std::move(built.bytes));
    ++taken_;
    if (index_ends_.empty() || taken_ < index_ends_.front()) return {};
    index_ends_.pop_front();
    return write_index();
  }

  // An index is put when the packs are there that were begun so far, while more are under way. Both builders end here:
  // what is in the one may rely on what is in the other.
  Status end_index() {
    CAIRN_CHECK(upload(blocks_));
    CAIRN_CHECK(upload(objects_));
    if (packs_ > 0) index_ends_.push_back(begun_);
    packs_ = records_ = 0;
    return {};
  }

  // Everything that was brought is in the bucket, and found there.
  Status put_index() {
    CAIRN_CHECK(end_index());
    return uploads_.finish();
  }

  Status write_index() {
    const std::vector<std::byte> bytes = encode_index(uploaded_);
    const std::string key = index_key(pusher_.formats_, pusher_.formats_.digest_of(bytes));
    CAIRN_CHECK(look());
    CAIRN_CHECK(put_whole(pusher_.storage_, key, bytes));
    ++report_.requests;
    report_.sent_bytes += bytes.size();
    for (const Pack& pack : uploaded_) {
      for (const PackedRecord& record : pack.records) pending_.erase(record.id);
    }
    pusher_.index_.add(key, std::exchange(uploaded_, {}));
    return {};
  }

  // What was relied on, and what was put, may be relied on still. Whatever is noted after this is not removed before
  // what is put next is seen (docs/decisions/0014-reclaiming-a-mirror.md).
  Status look() {
    CAIRN_TRY(const bool unchanged, is_unchanged(pusher_.storage_, pusher_.outgoing_));
    if (unchanged) return {};
    begins_again_ = true;
    return Error{.code = ErrorCode::conflict,
                 .message = "the mirror is being reclaimed again and again while this store is pushed",
                 .retryable = true};
  }

  Status put_journal(const Cursor& to, std::vector<Statement> statements) {
    // What it leaves out is noted before: the next push would not look there any more.
    std::vector<Statement> all = pusher_.left_out_;
    std::ranges::copy_if(left_out_, std::back_inserter(all), [this](const Statement& one) {
      return std::ranges::find(pusher_.left_out_, one) == pusher_.left_out_.end();
    });
    CAIRN_CHECK(note_left_out(std::move(all)));
    const Cursor from = pusher_.journals_.end;
    const std::size_t count = statements.size();
    CAIRN_TRY(const auto mark, pusher_.source_.mark_at(to));
    Journal journal{.store = pusher_.source_.facts(),
                    .from = from,
                    .to = to,
                    .mark = mark.value_or(0),
                    .statements = std::move(statements)};
    const std::vector<std::byte> bytes = encode_journal(journal, pusher_.formats_);
    const std::string key = journal_key(journal.store.uuid, from, to);
    CAIRN_CHECK(look());
    CAIRN_CHECK(put_whole(pusher_.storage_, key, bytes));
    ++report_.requests;
    report_.statements += count;
    report_.sent_bytes += bytes.size();
    mirror::add(pusher_.journals_, {.from = from, .to = to, .key = key, .bytes = bytes.size()});
    // All is said: what could not be merged now is merged later, after another look at what there is.
    const Uuid& uuid = journal.store.uuid;
    if (!merge_journals(pusher_.storage_, pusher_.formats_, uuid, pusher_.journals_).ok()) pusher_.begun_ = false;
    return {};
  }

  Status note_left_out(std::vector<Statement> left_out) {
    if (left_out == pusher_.left_out_) return {};
    CAIRN_CHECK(put_left_out(pusher_.storage_, pusher_.formats_, pusher_.source_.facts(), left_out));
    ++report_.requests;
    pusher_.left_out_ = std::move(left_out);
    return {};
  }

  const PushOptions& options() const { return pusher_.options_; }

  Pusher& pusher_;
  PushReport report_;
  std::vector<std::vector<std::byte>> memory_;  // of packs that were uploaded
  PackBuilder blocks_, objects_;
  std::unordered_set<ContentId, ContentIdHash> pending_;  // brought, and in no index yet
  std::vector<Pack> uploaded_;                            // the same
  std::size_t begun_ = 0;                                 // uploads of this run
  std::size_t taken_ = 0;                                 // of those, that are over
  std::deque<std::size_t> index_ends_;                    // after so many of these an index is put
  std::size_t packs_ = 0, records_ = 0;                   // behind the last of those ends
  std::vector<Statement> left_out_;                       // kinds and keys, of this run
  std::string why_;                                       // the last of them was
  bool begins_again_ = false;
  InFlight<PackBuilder::Built> uploads_;  // last: destroyed before what it uses
};

Pusher::Pusher(Source& source, ObjectStorage& storage, const Formats& formats, PushOptions options)
    : source_(source), storage_(storage), formats_(formats), options_(std::move(options)) {}
Pusher::~Pusher() = default;

Status Pusher::begin() {
  CAIRN_CHECK(require_marker(storage_, formats_.digest_kind()));
  CAIRN_TRY(outgoing_, read_outgoing(storage_, formats_));
  index_ = PackIndex();
  CAIRN_CHECK(index_.refresh(storage_, formats_, options_.parallel, outgoing_, PackIndex::Wanted::counting));
  const Uuid uuid = source_.facts().uuid;
  const std::string prefix = journal_prefix(uuid);
  CAIRN_TRY(const auto listed, list_all(storage_, prefix));
  journals_ = journals_of(listed, prefix);
  scanned_ = journals_.end;
  CAIRN_CHECK(compare_history());
  CAIRN_TRY(left_out_, read_left_out(storage_, formats_, uuid));
  CAIRN_TRY(lost_, read_lost(storage_, formats_, uuid));
  begun_ = true;
  return {};
}

// The last journal is of this store's log.
Status Pusher::compare_history() {
  const auto last = std::ranges::find(journals_.current, journals_.end, &JournalKey::to);
  if (last == journals_.current.end()) return {};
  const auto conflict = [] {
    return make_error(
        ErrorCode::conflict,
        "what the mirror has of this store is of another history: another copy of the store pushes to the "
        "same place, or this store was brought back from an older copy of it. Give each a prefix of its own, or "
        "restore what the mirror has");
  };
  auto here = source_.mark_at(last->to);
  if (!here.ok()) return here.error().code == ErrorCode::conflict ? conflict() : here.error();
  if (!*here) return {};
  const auto journal = read_journal(storage_, formats_, source_.facts().uuid, *last);
  if (!journal.ok()) {
    // Merged meanwhile, or damaged: the next push looks again, and says all that it can.
    const bool matters = journal.error().code != ErrorCode::not_found && journal.error().code != ErrorCode::corruption;
    return matters ? Status(journal.error()) : Status();
  }
  return journal->mark == 0 || journal->mark == **here ? Status() : Status(conflict());
}

Result<PushReport> Pusher::push() {
  PushReport so_far;
  for (std::uint64_t runs = 1;; ++runs) {
    if (!begun_) CAIRN_CHECK(begin());
    Run run(*this, so_far);
    auto report = run.run();
    if (report.ok()) return report;
    // What failed may have been done all the same: it is looked for anew.
    begun_ = false;
    if (!run.begins_again() || runs == kRunsMax) return report;
    so_far = run.report();
    so_far.begun_again = runs;
    so_far.left_out.clear();
  }
}

}  // namespace cairn::mirror
