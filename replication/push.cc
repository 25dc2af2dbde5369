// SPDX-License-Identifier: Apache-2.0
#include "replication/push.h"

#include <algorithm>
#include <memory>
#include <unordered_set>
#include <utility>

#include "replication/in_flight.h"
#include "replication/journal_merge.h"

namespace cairn::mirror {

// One call of push().
class Pusher::Run {
 public:
  explicit Run(Pusher& pusher)
      : pusher_(pusher), uploads_(pusher.options_.parallel, [this](Pack pack) { return uploaded(std::move(pack)); }) {}

  Result<PushReport> run() {
    Cursor& scanned = pusher_.scanned_;
    scanned = std::max(scanned, pusher_.journals_.end);
    for (bool has_more = true; has_more;) {
      CAIRN_TRY(Source::Changes changes, pusher_.source_.changes(scanned, options().journal_bytes));
      if (changes.has_gap) CAIRN_CHECK(add_forgotten_removals(changes));
      CAIRN_TRY(std::vector<Statement> statements, bring_all(std::move(changes.statements)));
      CAIRN_CHECK(put_index());
      // What says nothing is no reason for a request: the next journal begins where the last one ended.
      if (!statements.empty()) CAIRN_CHECK(put_journal(changes.to, std::move(statements)));
      has_more = changes.has_more && changes.to > scanned;
      scanned = std::max(scanned, changes.to);
    }
    report_.to = scanned;
    return std::move(report_);
  }

 private:
  enum class Brought : std::uint8_t { yes, gone };

  // What the mirror has, and the store does not say any more: nothing in the log may tell.
  Status add_forgotten_removals(Source::Changes& changes) {
    CAIRN_TRY(const MirroredStore mirrored,
              read_store(pusher_.storage_, pusher_.formats_, pusher_.source_.facts().uuid, options().parallel));
    std::vector<Statement> removals;
    for (const auto& [key, statement] : mirrored.fold) {
      CAIRN_TRY(const bool held, pusher_.source_.holds(statement));
      if (!held) removals.push_back({.kind = key.first, .removed = true, .key = key.second, .payload = {}});
    }
    changes.statements.insert(changes.statements.begin(), removals.begin(), removals.end());
    return {};
  }

  // Brings what they need; returns those that hold still.
  Result<std::vector<Statement>> bring_all(std::vector<Statement> statements) {
    std::vector<Statement> brought;
    for (Statement& statement : statements) {
      CAIRN_TRY(const bool there, bring(statement));
      if (there) brought.push_back(std::move(statement));
    }
    return brought;
  }

  Result<bool> bring(const Statement& statement) {
    if (statement.removed) return true;
    CAIRN_TRY(const auto needs, pusher_.formats_.needs_of(statement));
    for (const ContentId& id : needs) {
      const auto brought = bring(id);
      if (brought.ok() && *brought == Brought::yes) continue;
      if (!brought.ok() && brought.error().code != ErrorCode::corruption) return brought.error();
      // It was removed, and reclaimed, since the log was looked at: what removed it comes later in the log.
      CAIRN_TRY(const bool current, pusher_.source_.is_current(statement));
      if (!current) return false;
      report_.left_out.push_back(brought.ok() ? "content is missing in the store" : brought.error().message);
      return false;
    }
    return true;
  }

  // What it relies on first.
  Result<Brought> bring(const ContentId& id) {
    if (pusher_.index_.contains(id) || is_pending(id)) return Brought::yes;
    CAIRN_TRY(const auto content, pusher_.source_.read(id));
    if (!content) return Brought::gone;
    std::vector<ContentId> parts;
    for (const Digest& base : content->bases) parts.push_back({kBlock, base});
    if (content->id.kind != kBlock) {
      CAIRN_TRY(parts, pusher_.formats_.parts_of(content->id, content->payload));
    }
    for (const ContentId& part : parts) {
      CAIRN_TRY(const Brought brought, bring(part));
      if (brought == Brought::gone) return Brought::gone;
    }
    // Objects are in packs of their own: whoever looks for something reads those alone.
    CAIRN_CHECK(add(*content, content->id.kind == kBlock ? blocks_ : objects_));
    return Brought::yes;
  }

  bool is_pending(const ContentId& id) const {
    return pending_.contains(id) || (id.kind == kBlob && pending_.contains({kBlock, id.digest}));
  }

  Status add(const Content& content, PackBuilder& builder) {
    if (content.payload.size() > Pack::kBytesMax / 4 * 3) {
      return make_error(ErrorCode::resource_exhausted,
                        "a record of " + std::to_string(content.payload.size()) + " bytes is too large for a mirror");
    }
    if (!builder.takes(content, options().pack_bytes)) CAIRN_CHECK(put_pack(builder));
    builder.add(content);
    pending_.insert(content.id);
    ++report_.records;
    report_.content_bytes += content.payload.size();
    return {};
  }

  Status put_pack(PackBuilder& builder) {
    if (builder.empty()) return {};
    if (options().progress) CAIRN_CHECK(options().progress(report_));
    auto built = std::make_shared<PackBuilder::Built>(builder.finish(pusher_.formats_));
    const auto upload = [this, built]() -> Result<Pack> {
      CAIRN_CHECK(put_whole(pusher_.storage_, pack_key(pusher_.formats_, built->pack.name), built->bytes));
      return std::move(built->pack);
    };
    CAIRN_CHECK(uploads_.begin(upload));
    ++begun_;
    return begun_ < options().packs_per_index ? Status() : put_index();
  }

  Status uploaded(Pack pack) {
    ++report_.packs;
    ++report_.requests;
    report_.sent_bytes += pack.bytes;
    uploaded_.push_back(std::move(pack));
    return {};
  }

  // Everything that was brought is in the bucket, and found there. Both builders end here: what is in the one may rely
  // on what is in the other.
  Status put_index() {
    begun_ = 0;
    if (!blocks_.empty()) CAIRN_CHECK(put_pack(blocks_));
    if (!objects_.empty()) CAIRN_CHECK(put_pack(objects_));
    begun_ = 0;
    CAIRN_CHECK(uploads_.finish());
    if (uploaded_.empty()) return {};
    const std::vector<std::byte> bytes = encode_index(uploaded_);
    const Digest name = pusher_.formats_.digest_of(bytes);
    CAIRN_CHECK(put_whole(pusher_.storage_, index_key(pusher_.formats_, name), bytes));
    ++report_.requests;
    report_.sent_bytes += bytes.size();
    pusher_.index_.add(name, std::exchange(uploaded_, {}));
    pending_.clear();
    return {};
  }

  Status put_journal(const Cursor& to, std::vector<Statement> statements) {
    const Cursor from = pusher_.journals_.end;
    report_.statements += statements.size();
    Journal journal{.store = pusher_.source_.facts(), .from = from, .to = to, .statements = std::move(statements)};
    const std::vector<std::byte> bytes = encode_journal(journal, pusher_.formats_);
    const std::string key = journal_key(journal.store.uuid, from, to);
    CAIRN_CHECK(put_whole(pusher_.storage_, key, bytes));
    ++report_.requests;
    report_.sent_bytes += bytes.size();
    pusher_.journals_.current.push_back({.from = from, .to = to, .key = key, .bytes = bytes.size()});
    pusher_.journals_.end = to;
    return merge_journals(pusher_.storage_, pusher_.formats_, pusher_.journals_);
  }

  const PushOptions& options() const { return pusher_.options_; }

  Pusher& pusher_;
  PushReport report_;
  PackBuilder blocks_, objects_;
  std::unordered_set<ContentId, ContentIdHash> pending_;  // brought, and in no index yet
  std::vector<Pack> uploaded_;                            // the same
  std::size_t begun_ = 0;                                 // uploads since the last index
  InFlight<Pack> uploads_;                                // last: destroyed before what it uses
};

Pusher::Pusher(Source& source, ObjectStorage& storage, const Formats& formats, PushOptions options)
    : source_(source), storage_(storage), formats_(formats), options_(std::move(options)) {}
Pusher::~Pusher() = default;

Status Pusher::begin() {
  CAIRN_CHECK(require_marker(storage_, formats_.digest_kind()));
  CAIRN_CHECK(index_.refresh(storage_, formats_, options_.parallel));
  const std::string prefix = journal_prefix(source_.facts().uuid);
  CAIRN_TRY(const auto listed, list_all(storage_, prefix));
  journals_ = journals_of(listed, prefix);
  scanned_ = journals_.end;
  begun_ = true;
  return {};
}

Result<PushReport> Pusher::push() {
  if (!begun_) CAIRN_CHECK(begin());
  auto report = Run(*this).run();
  // What failed may have been done all the same: it is looked for anew.
  if (!report.ok()) begun_ = false;
  return report;
}

}  // namespace cairn::mirror
