// SPDX-License-Identifier: Apache-2.0
#include "engine/log/segment_scan.h"

#include <algorithm>
#include <cstring>

#include "engine/base/buffer_pool.h"
#include "engine/base/errors.h"
#include "engine/base/worker_pool.h"
#include "engine/content/digester.h"
#include "engine/log/segment_files.h"

namespace cairn {
namespace {

// No group that Cairn writes has a larger head or payload than a segment can hold.
constexpr std::uint64_t kReadChunk = 4 * MiB;

// What most payload areas fit into.
constexpr std::size_t kGroupBytes = 4 * MiB + 64 * KiB;

// Groups whose payloads are in memory at once: each has a few MiB.
constexpr std::size_t kGroupsAhead = 4;

bool is_zero(Bytes bytes) {
  // Equal to itself one further on, and zero at the first.
  return bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

std::string place(const OpenSegment& segment, std::uint64_t offset) {
  return segment.path + " at " + std::to_string(offset);
}

class Scanner {
 public:
  Scanner(const OpenSegment& segment, const ScanOptions& options)
      : segment_(segment), options_(options), end_(std::min(options.to, segment.size)) {}

  Result<ScanResult> run(const VisitGroup& visit) {
    ScanResult result;
    std::uint64_t at = options_.from;
    while (true) {
      CAIRN_TRY(const Bad bad, visit_good_groups(at, visit));
      at = bad.at;
      if (bad.wrong.empty()) break;
      CAIRN_TRY(const After after, look_behind(at));
      const bool was_synced = at < options_.known_synced || at < after.synced_through;
      if (!was_synced) {
        result.torn_bytes = std::max(at, after.data_end) - at;
        break;
      }
      // A writer in another process may have finished it while the groups behind were looked at.
      CAIRN_TRY(Group again, read_group(at));
      if (options_.verify_payloads && again.wrong.empty()) {
        CAIRN_TRY(again.wrong, verify(again.head));
      }
      if (again.wrong.empty()) continue;
      result.damage.push_back(place(segment_, at) + ": " + again.wrong);
      if (!after.next_good) {
        result.damaged_tail = true;
        break;
      }
      at = *after.next_good;
    }
    result.end = std::min(at, end_);
    return result;
  }

 private:
  struct Group {
    GroupHead head;
    std::string wrong;  // empty: the group is good
  };
  // Where the first group that is not good begins; nothing is wrong at the end.
  struct Bad {
    std::uint64_t at = 0;
    std::string wrong;
  };
  struct After {
    std::optional<std::uint64_t> next_good;
    std::uint64_t synced_through = 0;  // the highest that any good group behind promises
    std::uint64_t data_end = 0;        // behind the last page that is not all zeros
  };

  Status read(std::uint64_t offset, MutableBytes into, std::size_t& got) {
    CAIRN_TRY(got, segment_.file->read_at(offset, into));
    return {};
  }

  // Heads are read in order, because each says where the next is. Payloads follow in parallel.
  Result<Bad> visit_good_groups(std::uint64_t from, const VisitGroup& visit) {
    Bad head{.at = from, .wrong = {}};   // as far as the heads are good
    Bad group{.at = from, .wrong = {}};  // as far as the payloads are, too
    const auto next = [&]() -> Result<std::optional<GroupHead>> {
      if (head.at >= end_ || !head.wrong.empty() || !group.wrong.empty()) return std::optional<GroupHead>();
      CAIRN_TRY(Group read, read_group(head.at));
      head.wrong = std::move(read.wrong);
      if (!head.wrong.empty()) return std::optional<GroupHead>();
      head.at += read.head.header.total_bytes();
      return std::optional(std::move(read.head));
    };
    const auto work = [&](const GroupHead& read) -> Result<std::string> { return verify(read); };
    const auto consume = [&](const GroupHead& read, std::string wrong) -> Status {
      if (!group.wrong.empty()) return {};
      group.wrong = std::move(wrong);
      if (!group.wrong.empty()) return {};
      CAIRN_CHECK(visit(read));
      group.at = read.header.offset + read.header.total_bytes();
      return {};
    };
    if (options_.verify_payloads && options_.pool != nullptr) {
      CAIRN_CHECK((parallel_in_order<GroupHead, std::string>(*options_.pool, kGroupsAhead, next, work, consume)));
    } else {
      while (true) {
        CAIRN_TRY(const auto read, next());
        if (!read) break;
        std::string wrong;
        if (options_.verify_payloads) {
          CAIRN_TRY(wrong, verify(*read));
        }
        CAIRN_CHECK(consume(*read, std::move(wrong)));
      }
    }
    return group.wrong.empty() ? head : group;
  }

  Result<Group> read_group(std::uint64_t at) {
    const auto bad = [](std::string wrong) { return Group{.head = {}, .wrong = std::move(wrong)}; };
    head_.resize(kPageBytes);
    std::size_t got = 0;
    CAIRN_CHECK(read(at, head_, got));
    if (got < kPageBytes) return bad("group cut short");
    const auto peeked = peek_group_header(head_);
    if (!peeked.ok()) return bad(peeked.error().message);
    const std::uint64_t head_bytes = peeked->head_bytes();
    const std::uint64_t room = end_ - at;
    if (head_bytes > room || peeked->payload_bytes > room - head_bytes) return bad("group runs past the file's end");
    if (head_bytes > kPageBytes) {
      head_.resize(head_bytes);
      CAIRN_CHECK(read(at + kPageBytes, MutableBytes(head_).subspan(kPageBytes), got));
      if (got < head_bytes - kPageBytes) return bad("group cut short");
    }
    auto decoded = decode_group_head(head_);
    if (!decoded.ok()) return bad(decoded.error().message);
    const GroupHeader& header = decoded->header;
    if (header.store_tag != segment_.store_tag) return bad("group of another store");
    if (header.segment != segment_.number) return bad("group of another segment");
    if (header.offset != at) return bad("group of another place");
    return Group{.head = std::move(decoded).value(), .wrong = {}};
  }

  // The whole payload area is read at once: groups are a few MiB. Any thread.
  Result<std::string> verify(const GroupHead& group) {
    const std::uint64_t from = group.header.offset + group.header.head_bytes();
    if (group.header.payload_bytes == 0) return std::string();
    const std::shared_ptr<AlignedBuffer> buffer = buffers_.take(group.header.payload_bytes);
    if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory to verify a group");
    const MutableBytes area = buffer->first(group.header.payload_bytes);
    CAIRN_TRY(const std::size_t got, segment_.direct->read_at(from, area));
    if (got < area.size()) return std::string("payload cut short");
    for (const RecordDescriptor& record : group.records) {
      const Bytes payload = Bytes(area).subspan(record.payload_offset - from, record.stored_bytes);
      if (checksum_of(payload) != record.checksum) {
        return std::string(record_kind_name(record.kind)) + " record of sequence " + std::to_string(record.sequence) +
               " does not match its checksum";
      }
    }
    return std::string();
  }

  // Finds the good groups behind a bad one, by looking at every page from there on.
  Result<After> look_behind(std::uint64_t bad_at) {
    After after;
    std::vector<std::byte> chunk(kReadChunk);
    std::uint64_t at = bad_at;
    while (at < end_) {
      std::size_t got = 0;
      CAIRN_CHECK(read(at, chunk, got));
      got = std::min<std::uint64_t>(got, end_ - at);
      for (std::size_t page = 0; page < got; page += kPageBytes) {
        const Bytes bytes = Bytes(chunk).first(got).subspan(page, std::min(kPageBytes, got - page));
        if (is_zero(bytes)) continue;
        after.data_end = at + page + bytes.size();
        if (at + page > bad_at && bytes.size() == kPageBytes) CAIRN_CHECK(look_at(at + page, bytes, after));
      }
      if (got < kReadChunk) break;
      at += kReadChunk;
    }
    return after;
  }

  Status look_at(std::uint64_t at, Bytes page, After& after) {
    const auto peeked = peek_group_header(page);
    if (!peeked.ok() || peeked->offset != at) return {};
    CAIRN_TRY(const Group group, read_group(at));
    if (!group.wrong.empty()) return {};
    after.synced_through = std::max(after.synced_through, group.head.header.synced_through);
    if (!after.next_good) after.next_good = at;
    return {};
  }

  const OpenSegment& segment_;
  const ScanOptions& options_;
  const std::uint64_t end_;  // of what is scanned
  std::vector<std::byte> head_;
  BufferPool buffers_{kGroupBytes};
};

}  // namespace

Result<OpenSegment> open_segment(FileSystem& fs, const std::string& folder, std::uint32_t segment,
                                 std::uint64_t store_tag) {
  OpenSegment open;
  open.path = segment_path(folder, segment);
  open.number = segment;
  open.store_tag = store_tag;
  CAIRN_TRY(open.file, fs.open(open.path, {}));
  CAIRN_TRY(open.direct, fs.open(open.path, {.direct = true}));
  CAIRN_TRY(open.size, open.file->size());
  return open;
}

Result<SegmentHeader> read_segment_header(const OpenSegment& segment) {
  std::vector<std::byte> page(kPageBytes);
  CAIRN_TRY(const std::size_t got, segment.file->read_at(0, page));
  if (got < kPageBytes) return make_error(ErrorCode::corruption, place(segment, 0) + ": segment header cut short");
  auto header = decode_segment_header(page);
  if (!header.ok()) return std::move(header).error().with_context(place(segment, 0));
  if (store_tag_of(header->store) != segment.store_tag) {
    return make_error(ErrorCode::corruption, place(segment, 0) + ": segment of another store");
  }
  if (header->segment != segment.number) {
    return make_error(ErrorCode::corruption,
                      place(segment, 0) + ": header of segment " + std::to_string(header->segment));
  }
  return header;
}

bool has_good_header(const OpenSegment& segment) {
  return read_segment_header(segment).ok() || read_segment_header(segment).ok();
}

namespace {

// Good, and of this segment: nothing when it is not sealed, as far as can be told.
Result<std::optional<SegmentFooter>> read_footer(const OpenSegment& segment, std::string& damage) {
  using Footer = std::optional<SegmentFooter>;
  if (segment.size < 2 * kPageBytes || segment.size % kPageBytes != 0) return Footer();
  std::vector<std::byte> page(kPageBytes);
  const std::uint64_t footer_at = segment.size - kPageBytes;
  CAIRN_TRY(const std::size_t got, segment.file->read_at(footer_at, page));
  const auto footer = decode_segment_footer(page);
  if (got < kPageBytes || !footer.ok()) return Footer();
  const auto wrong = [&](const std::string& what) {
    damage = place(segment, footer_at) + ": " + what;
    return Footer();
  };
  if (footer->store_tag != segment.store_tag || footer->segment != segment.number) {
    return wrong("footer of another segment");
  }
  if (footer->record_count > footer_at / RecordDescriptor::kSize) return wrong("footer counts too many records");
  const std::uint64_t table_bytes = footer->record_count * RecordDescriptor::kSize;
  if (footer->table_offset > footer_at || table_bytes > footer_at - footer->table_offset) {
    return wrong("table runs past the footer");
  }
  return Footer(*footer);
}

}  // namespace

Result<std::optional<SealedTable>> read_table(const OpenSegment& segment, std::string& damage) {
  using Table = std::optional<SealedTable>;
  CAIRN_TRY(const auto footer, read_footer(segment, damage));
  if (!footer) return Table();
  const std::uint64_t footer_at = segment.size - kPageBytes;
  const auto wrong = [&](const std::string& what) {
    damage = place(segment, footer_at) + ": " + what;
    return Table();
  };
  std::vector<std::byte> table(footer->record_count * RecordDescriptor::kSize);
  CAIRN_TRY(const std::size_t got, segment.file->read_at(footer->table_offset, table));
  if (got < table.size() || checksum_of(table) != footer->table_checksum) {
    return wrong("table does not match its checksum");
  }
  auto records = decode_table(table);
  if (!records.ok()) return wrong(records.error().message);
  for (const RecordDescriptor& record : *records) {
    if (record.payload_offset > footer_at || record.stored_bytes > footer_at - record.payload_offset) {
      return wrong("table entry points outside the segment");
    }
  }
  return Table(SealedTable{.groups_end = footer->table_offset, .records = std::move(records).value()});
}

Result<std::optional<std::uint64_t>> read_groups_end(const OpenSegment& segment) {
  std::string damage;
  CAIRN_TRY(const auto footer, read_footer(segment, damage));
  return footer ? std::optional(footer->table_offset) : std::nullopt;
}

Result<ScanResult> scan_groups(const OpenSegment& segment, const ScanOptions& options, const VisitGroup& visit) {
  return Scanner(segment, options).run(visit);
}

}  // namespace cairn
