// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/check_counts.h"

#include <unordered_map>

#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/index/keys.h"

namespace cairn {
namespace {

constexpr int kAttempts = 3;

class Mark {
 public:
  Mark(BlockReader& reader, ProgressMeter& meter) : reader_(reader), index_(reader.index()), meter_(meter) {}

  // What differs; nothing when an object could not be read.
  Result<std::vector<std::string>> differences() {
    CAIRN_CHECK(mark_roots());
    while (!pending_.empty()) {
      const Reference next = pending_.back();
      pending_.pop_back();
      CAIRN_CHECK(mark_parts(next));
      CAIRN_CHECK(mark_bases(next));
    }
    if (damaged_) return std::vector<std::string>();
    CAIRN_CHECK(compare_counts());
    CAIRN_CHECK(compare_uses());
    return std::move(different_);
  }

 private:
  // The first reference to a content leads to its blob manifest, where there is one, whether
  // it is meant as a blob or as a block.
  void refer(const Reference& to) {
    if (++counts_[count_key(to.kind, to.id)] > 1) return;
    pending_.push_back(to.kind == RecordKind::block ? Reference{RecordKind::blob, to.id} : to);
  }

  void use(const RecordPlace& place, std::uint64_t bytes) { live_bytes_[place.segment] += bytes; }

  Status mark_roots() {
    const auto visit_ref = [&](const RefRecord& ref) -> Status {
      CAIRN_TRY(const auto place, index_.find_ref_place(ref.name, ref.version));
      if (place) use(*place, use_of(ref));
      refer({RecordKind::snapshot, ref.snapshot});
      return {};
    };
    CAIRN_CHECK(index_.for_each_ref(visit_ref));
    const auto visit_root = [&](const Root& root) -> Result<bool> {
      CAIRN_CHECK(meter_.check_stop());
      CAIRN_TRY(const auto place, index_.find_root_place(root.kind, root.id, root.name));
      if (place) use(*place, use_of(root));
      refer({root.kind, root.id});
      return true;
    };
    CAIRN_CHECK(index_.for_each_root({}, visit_root));
    const auto visit_entry = [&](const Placed<StoredEntry>& entry) -> Result<bool> {
      CAIRN_CHECK(meter_.check_stop());
      use(entry.place, use_of(static_cast<const StoredEntry&>(entry)));
      for (const Reference& reference : entry.references) refer(reference);
      return true;
    };
    CAIRN_CHECK(index_.for_each_entry({}, Index::Order::ascending, {}, visit_entry));
    return {};
  }

  Status mark_parts(const Reference& object) {
    CAIRN_CHECK(meter_.check_stop());
    CAIRN_TRY(const auto at, index_.find_object(object.kind, object.id));
    if (!at) return {};
    const auto payload = reader_.read_object_at(object.id, *at);
    const auto parts = payload.ok() ? references_of(object.kind, *payload) : payload.error();
    if (!parts.ok()) {
      if (!is_damage(parts.error())) return parts.error();
      damaged_ = true;
      return {};
    }
    meter_.add(at->stored_bytes);
    for (const Reference& part : *parts) refer(part);
    return {};
  }

  // Of a delta block, whether its content is known as a blob, too, or not.
  Status mark_bases(const Reference& object) {
    if (object.kind != RecordKind::blob) return {};
    CAIRN_TRY(const auto at, index_.find_block(object.id));
    if (!at || !has_parts(*at)) return {};
    const auto bases = reader_.bases_of(object.id, *at);
    if (!bases.ok()) {
      if (!is_damage(bases.error())) return bases.error();
      damaged_ = true;
      return {};
    }
    for (const Reference& base : *bases) refer(base);
    return {};
  }

  Status compare_counts() {
    const auto compare = [&](const Digest& id, const RecordLocation& at) -> Status {
      CAIRN_CHECK(meter_.check_stop());
      const auto marked = counts_.find(count_key(at.kind, id));
      const std::uint64_t expected = marked == counts_.end() ? 0 : marked->second;
      if (at.segment != 0 && expected > 0) use({at.segment, at.offset}, use_of(at));
      if (at.kind == RecordKind::blob) return {};  // counted with its block
      if (marked != counts_.end()) counts_.erase(marked);
      if (at.references == expected) return {};
      different_.push_back("index: " + std::string(record_kind_name(at.kind)) + " " +
                           to_text(reader_.digest_kind(), id) + " counts " + std::to_string(at.references) +
                           " references, not " + std::to_string(expected));
      return {};
    };
    // Blobs first: what their blocks count is looked up for them.
    const auto compare_blob = [&](const Digest& id, const RecordLocation& at) -> Status {
      return at.kind == RecordKind::blob ? compare(id, at) : Status();
    };
    const auto compare_other = [&](const Digest& id, const RecordLocation& at) -> Status {
      return at.kind == RecordKind::blob ? Status() : compare(id, at);
    };
    CAIRN_CHECK(index_.for_each_object(compare_blob));
    CAIRN_CHECK(index_.for_each_count(compare_other));
    if (!counts_.empty()) {
      different_.push_back("index: " + std::to_string(counts_.size()) + " things that are referred to are not counted");
    }
    return {};
  }

  Status compare_uses() {
    CAIRN_TRY(const auto uses, index_.segment_uses());
    for (const auto& [segment, use] : uses) {
      const auto marked = live_bytes_.find(segment);
      const std::uint64_t expected = marked == live_bytes_.end() ? 0 : marked->second;
      if (marked != live_bytes_.end()) live_bytes_.erase(marked);
      if (use.live_bytes == expected && use.record_bytes >= use.live_bytes + use.tombstone_bytes) continue;
      different_.push_back("index: segment " + std::to_string(segment) + " counts " + std::to_string(use.live_bytes) +
                           " live bytes of " + std::to_string(use.record_bytes) + ", not " + std::to_string(expected));
    }
    for (const auto& [segment, bytes] : live_bytes_) {
      different_.push_back("index: segment " + std::to_string(segment) + " has live bytes that are not counted");
    }
    return {};
  }

  BlockReader& reader_;
  Index& index_;
  ProgressMeter& meter_;
  std::unordered_map<std::string, std::uint64_t> counts_;  // by count_key(): what was found
  std::unordered_map<std::uint32_t, std::uint64_t> live_bytes_;
  std::vector<Reference> pending_;
  std::vector<std::string> different_;
  bool damaged_ = false;
};

}  // namespace

Status check_counts(BlockReader& reader, const Progress& progress, Findings& findings) {
  Index& index = reader.index();
  if (!index.counted()) return {};
  ProgressMeter meter(progress, "check counts", 0);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Position before = index.applied();
    auto differences = Mark(reader, meter).differences();
    if (!differences.ok()) {
      if (differences.error().code == ErrorCode::cancelled || !is_damage(differences.error())) {
        return std::move(differences).error();
      }
      findings.damage("index: " + differences.error().message);
      return {};
    }
    if (differences->empty()) return {};
    if (index.applied() != before) continue;  // a writer was at work
    CAIRN_TRY(const auto doubt, index.doubt());
    if (doubt) {
      findings.damage("index: counts are in doubt, because of damage: " + *doubt + "; 'repair --index' counts anew");
      return {};
    }
    for (std::string& difference : *differences) findings.damage(std::move(difference));
    return {};
  }
  return {};
}

}  // namespace cairn
