// SPDX-License-Identifier: Apache-2.0
#include "engine/log/log_writer.h"

#include <algorithm>
#include <cstring>

#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/log/segment_files.h"

namespace cairn {
namespace {

// Raw blocks of whole pages start on a page: they can be written from, and read into, the
// caller's pages with O_DIRECT, and lose nothing by it. Other payloads are packed.
constexpr std::size_t kPackAlign = 8;
// Smaller payloads are cheaper to copy than to gather.
constexpr std::size_t kInPlaceBytesMin = 64 * KiB;
// What counts as a small group, and how much is written as zeros before such groups.
constexpr std::uint64_t kSmallGroupBytes = 64 * KiB, kZerosAheadBytes = MiB;
// A table larger than this seals its segment early: tables are built in memory.
constexpr std::size_t kTableRecordsMax = 16 * MiB / RecordDescriptor::kSize;
// A group without records: its head alone.
constexpr std::uint64_t kWitnessBytes = kPageBytes;

bool is_page(const NewRecord& record) {
  return reinterpret_cast<std::uintptr_t>(record.payload.data()) % kPageBytes == 0;
}
bool is_whole_pages(const NewRecord& record) { return record.codec == 0 && record.payload.size() % kPageBytes == 0; }
std::size_t alignment_of(const NewRecord& record) { return is_whole_pages(record) ? kPageBytes : kPackAlign; }

}  // namespace

// Zeros belong to what was packed last: what lies in its place is whole pages.
void LogWriter::Group::pad(std::size_t zeros) {
  if (zeros > 0) pack({}, zeros);
}

void LogWriter::Group::pack(Bytes bytes, std::size_t zeros_before) {
  std::byte* const to = packed.data() + packed_bytes;
  std::memset(to, 0, zeros_before);
  std::copy(bytes.begin(), bytes.end(), to + zeros_before);
  const std::size_t added = zeros_before + bytes.size();
  if (!parts.empty() && parts.back().data() + parts.back().size() == to) {
    parts.back() = Bytes(parts.back().data(), parts.back().size() + added);
  } else if (added > 0) {
    parts.emplace_back(to, added);
  }
  packed_bytes += added;
  used += added;
}

LogWriter::LogWriter(FileSystem& fs, std::string folder, const LogOptions& options, LogEnd end)
    : fs_(fs),
      folder_(std::move(folder)),
      options_(options),
      end_(std::move(end)),
      live_(fs, folder_, store_tag_of(options.store)) {
  CAIRN_INVARIANT(end_.next_sequence > 0);
}

// Waits for writes in flight before the buffers they read are freed.
LogWriter::~LogWriter() { queue_.reset(); }

Status LogWriter::poison(Status status) {
  if (status.ok()) return status;
  status.error().retryable = false;  // not with this writer
  if (!failure_) {
    failure_ = status.error();
    failure_->code = failure_->code == ErrorCode::no_space ? ErrorCode::no_space : ErrorCode::poisoned;
    failure_->message += "; the log takes no more writes until the store is reopened";
    // Nothing more will be written: payloads need not be held.
    queue_.reset();  // waits for writes in flight
    writing_.clear();
    group_ = Group{};
  }
  return status;
}

Status LogWriter::append(std::span<const NewRecord> records) {
  if (failure_) return *failure_;
  gives_back_ = std::ranges::all_of(records, &NewRecord::gives_back);
  if (options_.room != nullptr && !gives_back_) CAIRN_CHECK(options_.room->open_to_all());
  Status appended = append_together(records);
  // No segment is open: the next one could not be begun. The log ends where it did.
  if (!appended.ok() && appended.error().code == ErrorCode::no_space && !file_) return appended;
  return poison(std::move(appended));
}

// What the payload area of the open group takes with them.
std::size_t LogWriter::payload_bytes_with(std::span<const NewRecord> records) const {
  std::size_t used = group_.used;
  for (const NewRecord& record : records) used = align_up(used, alignment_of(record)) + record.payload.size();
  return used;
}

Status LogWriter::append_together(std::span<const NewRecord> records) {
  CAIRN_CHECK(open_segment());
  if (!group_.empty() && payload_bytes_with(records) > options_.group_bytes) CAIRN_CHECK(write_group());
  CAIRN_CHECK(make_room(records));
  const std::size_t bytes = payload_bytes_with(records);
  for (const NewRecord& record : records) CAIRN_CHECK(append_record(record, bytes));
  return {};
}

// Into the open group, of which all that is appended at once makes `bytes_at_once`.
Status LogWriter::append_record(const NewRecord& record, std::size_t bytes_at_once) {
  const std::size_t at = align_up(group_.used, alignment_of(record));
  const bool in_place =
      record.hold && is_whole_pages(record) && record.payload.size() >= kInPlaceBytesMin && is_page(record);
  if (in_place) {
    group_.pad(at - group_.used);
    group_.parts.push_back(record.payload);
    group_.holds.push_back(record.hold);
    group_.used += record.payload.size();
  } else {
    if (!group_.packed) group_.packed = take_buffer(std::max(options_.group_bytes, bytes_at_once));
    if (!group_.packed) return make_error(ErrorCode::resource_exhausted, "no memory for a group of the log");
    group_.pack(record.payload, at - group_.used);
  }
  group_.records.push_back(RecordDescriptor{
      .kind = record.kind,
      .codec = record.codec,
      .flags = record.carried ? kCarriedFlag : std::uint16_t{0},
      .logical_bytes = record.logical_bytes,
      .stored_bytes = static_cast<std::uint32_t>(record.payload.size()),
      .payload_offset = at,
      .sequence = record.carried ? *record.carried : end_.next_sequence++,
      .checksum = record.checksum ? *record.checksum : checksum_of(record.payload),
      .key = record.key,
  });
  unsynced_bytes_ += record.payload.size() + RecordDescriptor::kSize;
  return {};
}

// Makes sure that a segment is open.
Status LogWriter::open_segment() {
  if (file_) return {};
  if (end_.sealed) return begin_segment(end_.segment + 1);
  const std::string path = segment_path(folder_, end_.segment);
  CAIRN_TRY(file_, fs_.open(path, {.write = true, .direct = true}));
  // What lies beyond the end is a write that never finished; nothing of it may come back.
  CAIRN_CHECK(file_->truncate(end_.offset));
  CAIRN_CHECK(file_->sync());
  if (Status reserved = reserve_open_segment(); !reserved.ok()) {
    // Whatever could be reserved is given back.
    if (reserved.error().code == ErrorCode::no_space) CAIRN_CHECK(file_->truncate(end_.offset));
    return refuse_segment(end_.segment, std::move(reserved).error());
  }
  CAIRN_TRY(queue_, fs_.write_queue(*file_, options_.groups_in_flight));
  file_bytes_ = zeros_through_ = end_.offset;
  synced_through_ = end_.offset;
  return {};
}

Status LogWriter::reserve_open_segment() {
  // One that is longer for its one record takes nothing more.
  const std::uint64_t rest = options_.segment_bytes - std::min(options_.segment_bytes, end_.offset);
  if (options_.room != nullptr) CAIRN_CHECK(options_.room->admit(rest, gives_back_));
  Status reserved = file_->preallocate(options_.segment_bytes);
  if (!may_take_reserve(reserved)) return reserved;
  return file_->preallocate(options_.segment_bytes);
}

// After the disk had no room for a segment: true when there may be some now.
bool LogWriter::may_take_reserve(const Status& failed) {
  return !failed.ok() && failed.error().code == ErrorCode::no_space && gives_back_ && options_.room != nullptr &&
         options_.room->give_up();
}

// For want of space the segment is not open, and may be tried again.
Error LogWriter::refuse_segment(std::uint32_t segment, Error error) {
  if (error.code != ErrorCode::no_space) return error;
  file_.reset();
  error.retryable = true;
  return std::move(error).with_context("no room for " + std::to_string(options_.segment_bytes) + " bytes of " +
                                       segment_path(folder_, segment));
}

Status LogWriter::begin_segment(std::uint32_t segment) {
  Status begun = options_.room != nullptr ? options_.room->admit(options_.segment_bytes, gives_back_) : Status();
  if (begun.ok()) {
    begun = create_segment(segment);
    if (may_take_reserve(begun)) begun = create_segment(segment);
  }
  if (begun.ok()) return {};
  Error refused = refuse_segment(segment, std::move(begun).error());
  // A file that is left behind holds nothing, and may hold space.
  if (!file_) static_cast<void>(fs_.remove_file(segment_path(folder_, segment)).ok());
  return refused;
}

Status LogWriter::create_segment(std::uint32_t segment) {
  const std::string path = segment_path(folder_, segment);
  // Recovery found nothing in a file of this number: at most the husk of one whose
  // creation was interrupted.
  CAIRN_TRY(file_, fs_.open(path, {.write = true, .create = true, .truncate = true, .direct = true}));
  CAIRN_CHECK(file_->preallocate(options_.segment_bytes));
  AlignedBuffer page = AlignedBuffer::allocate(kPageBytes);
  if (!page) return make_error(ErrorCode::resource_exhausted, "no memory for a segment's header");
  encode_segment_header(SegmentHeader{.format_version = kFormatVersion,
                                      .store = options_.store,
                                      .segment = segment,
                                      .digest = options_.digest,
                                      .block_bytes = options_.block_bytes,
                                      .segment_bytes = options_.segment_bytes},
                        page.first(kPageBytes));
  CAIRN_CHECK(file_->write_at(0, page.first(kPageBytes)));
  CAIRN_TRY(queue_, fs_.write_queue(*file_, options_.groups_in_flight));
  end_.segment = segment;
  end_.offset = kPageBytes;
  end_.sealed = false;
  end_.open_records.clear();
  file_bytes_ = zeros_through_ = kPageBytes;
  synced_through_ = 0;
  folder_synced_ = false;
  appended_bytes_ += kPageBytes;
  return {};
}

// Before records are added to the open group: what is in the group fits in its segment, at all
// times. So what was taken has its place, and only records that are not taken yet can meet a
// disk without room for the next segment.
Status LogWriter::make_room(std::span<const NewRecord> records) {
  const GroupHeader grown{.record_count = static_cast<std::uint32_t>(group_.records.size() + records.size()),
                          .payload_bytes = align_up(payload_bytes_with(records), kPageBytes)};
  const std::size_t table_records = end_.open_records.size() + grown.record_count;
  const std::uint64_t table_bytes = align_up(table_records * RecordDescriptor::kSize, kPageBytes) + kPageBytes;
  // The witness of a close must fit as well: it never comes to a new segment or a seal.
  const bool full = end_.offset + grown.total_bytes() + kWitnessBytes + table_bytes > options_.segment_bytes ||
                    table_records > kTableRecordsMax;
  const bool has_any = end_.offset > kPageBytes || !group_.empty();
  if (!full || !has_any) return {};
  CAIRN_CHECK(write_group());
  CAIRN_CHECK(seal());
  return begin_segment(end_.segment + 1);
}

// Closes the open group and starts writing it.
Status LogWriter::write_group() {
  if (group_.empty()) return {};
  const GroupHeader header{.store_tag = store_tag_of(options_.store),
                           .segment = end_.segment,
                           .record_count = static_cast<std::uint32_t>(group_.records.size()),
                           .offset = end_.offset,
                           .payload_bytes = align_up(group_.used, kPageBytes),
                           .synced_through = synced_through_};

  for (RecordDescriptor& record : group_.records) {
    record.payload_offset += end_.offset + header.head_bytes();
    end_.open_records.push_back(record);
    unreported_.emplace_back(end_.segment, record);
  }
  group_.head = take_buffer(header.head_bytes());
  if (!group_.head) return make_error(ErrorCode::resource_exhausted, "no memory for a group's head");
  encode_group_head(header, group_.records, group_.head.first(header.head_bytes()));
  group_.pad(header.payload_bytes - group_.used);

  CAIRN_CHECK(grow_file(header.offset + header.total_bytes()));
  CAIRN_CHECK(write_zeros_ahead(header.total_bytes()));
  CAIRN_CHECK(wait_for_writes(options_.groups_in_flight - 1));
  const std::uint64_t tag = next_tag_++;
  std::vector<Bytes> parts{group_.head.first(header.head_bytes())};
  parts.insert(parts.end(), group_.parts.begin(), group_.parts.end());
  writing_.emplace_back(tag, std::move(group_));
  group_ = Group{};
  CAIRN_CHECK(queue_->submit(header.offset, std::move(parts), tag));
  end_.offset += header.total_bytes();
  appended_bytes_ += header.total_bytes();
  return {};
}

// Writes that move a file's end take turns in the file system; those below it do not. Growing
// by a step leaves few zeros behind the last group for recovery to look at.
Status LogWriter::grow_file(std::uint64_t through) {
  if (through <= file_bytes_) return {};
  const std::uint64_t step = options_.groups_in_flight * options_.group_bytes;
  const std::uint64_t grown = std::max(through, std::min(through + step, options_.segment_bytes));
  CAIRN_CHECK(file_->truncate(grown));
  file_bytes_ = grown;
  return {};
}

// The first write to a reserved part of a file changes the file's metadata, and the sync after
// it waits for the file system's journal. Where small groups follow each other, each with a
// sync, a stretch before them is written as zeros at once, and they overwrite it.
Status LogWriter::write_zeros_ahead(std::uint64_t group_bytes) {
  const bool small = group_bytes <= kSmallGroupBytes;
  const bool follows_small = std::exchange(last_was_small_, small);
  if (!small || !follows_small || end_.offset + group_bytes <= zeros_through_) return {};
  const std::uint64_t pages_end = options_.segment_bytes / kPageBytes * kPageBytes;
  const std::uint64_t through = std::min(end_.offset + kZerosAheadBytes, pages_end);
  if (through < end_.offset + group_bytes) return {};
  if (!zeros_) {
    zeros_ = AlignedBuffer::allocate(kZerosAheadBytes);
    if (!zeros_) return {};  // slower, and nothing else
    std::memset(zeros_.data(), 0, zeros_.capacity());
  }
  CAIRN_CHECK(grow_file(through));
  CAIRN_CHECK(file_->write_at(end_.offset, zeros_.first(through - end_.offset)));
  written_ahead_bytes_ += through - end_.offset;
  zeros_through_ = through;
  return {};
}

Status LogWriter::wait_for_writes(std::size_t at_most_in_flight) {
  while (queue_->in_flight() > at_most_in_flight) {
    CAIRN_TRY(const std::uint64_t tag, queue_->wait_one());
    const auto written = std::find_if(writing_.begin(), writing_.end(), [&](const auto& w) { return w.first == tag; });
    CAIRN_INVARIANT(written != writing_.end());
    if (written->second.packed) spare_.push_back(std::move(written->second.packed));
    spare_.push_back(std::move(written->second.head));
    writing_.erase(written);
  }
  return {};
}

// Everything written so far survives power loss after this.
Status LogWriter::sync_all() {
  CAIRN_CHECK(wait_for_writes(0));
  CAIRN_CHECK(file_->sync());
  if (!folder_synced_) {
    CAIRN_CHECK(fs_.sync_directory(folder_));
    folder_synced_ = true;
  }
  synced_through_ = end_.offset;
  return {};
}

Result<LogWriter::Synced> LogWriter::sync() {
  if (failure_) return *failure_;
  if (file_) {
    CAIRN_CHECK(poison(write_group()));
    CAIRN_CHECK(poison(sync_all()));
  }
  if (file_ || sealed_) live_.publish({end_.segment, end_.offset});
  unsynced_bytes_ = 0;
  sealed_.reset();
  return Synced{.records = std::exchange(unreported_, {}),
                .end_segment = end_.segment,
                .end_offset = end_.offset,
                .next_sequence = end_.next_sequence};
}

LogWriter::Synced LogWriter::take_sealed() {
  CAIRN_INVARIANT(sealed_.has_value());
  const auto open = std::find_if(unreported_.begin(), unreported_.end(),
                                 [&](const auto& record) { return record.first > sealed_->segment; });
  Synced synced{.records = {unreported_.begin(), open},
                .end_segment = sealed_->segment,
                .end_offset = sealed_->offset,
                .next_sequence = end_.next_sequence};
  unreported_.erase(unreported_.begin(), open);
  live_.publish({sealed_->segment, sealed_->offset});
  sealed_.reset();
  return synced;
}

// Ends the segment with a table of its records, so that a rebuild reads that alone.
Status LogWriter::seal() {
  CAIRN_CHECK(wait_for_writes(0));
  std::vector<std::byte> table;
  table.reserve(end_.open_records.size() * RecordDescriptor::kSize);
  for (const RecordDescriptor& record : end_.open_records) append_table_entry(table, record);
  const std::uint64_t padded = align_up(table.size(), kPageBytes);
  AlignedBuffer tail = AlignedBuffer::allocate(padded + kPageBytes);
  if (!tail) return make_error(ErrorCode::resource_exhausted, "no memory for a segment's table");
  std::memset(tail.data(), 0, padded + kPageBytes);
  std::memcpy(tail.data(), table.data(), table.size());
  encode_segment_footer(SegmentFooter{.segment = end_.segment,
                                      .store_tag = store_tag_of(options_.store),
                                      .record_count = end_.open_records.size(),
                                      .table_offset = end_.offset,
                                      .table_checksum = checksum_of(table)},
                        tail.span().subspan(padded, kPageBytes));
  // The groups must be durable before a table promises them.
  CAIRN_CHECK(sync_all());
  CAIRN_CHECK(file_->write_at(end_.offset, tail.first(padded + kPageBytes)));
  end_.offset += padded + kPageBytes;
  appended_bytes_ += padded + kPageBytes;
  CAIRN_CHECK(file_->truncate(end_.offset));
  CAIRN_CHECK(sync_all());
  end_.sealed = true;
  sealed_ = {end_.segment, end_.offset};
  unsynced_bytes_ = 0;
  queue_.reset();
  file_.reset();
  return {};
}

Status LogWriter::seal_open_segment() {
  if (failure_) return *failure_;
  if (end_.sealed) return {};
  CAIRN_INVARIANT(group_.empty() && unreported_.empty());
  gives_back_ = true;
  Status opened = open_segment();
  if (!opened.ok() && opened.error().code == ErrorCode::no_space && !file_) return opened;
  CAIRN_CHECK(poison(std::move(opened)));
  return poison(seal());
}

Result<LogWriter::Synced> LogWriter::close() {
  if (failure_) return *failure_;
  if (file_) {
    CAIRN_INVARIANT(group_.empty() && unreported_.empty());
    CAIRN_CHECK(poison(write_witness()));
    CAIRN_CHECK(poison(file_->truncate(end_.offset)));
    CAIRN_CHECK(poison(file_->sync()));
    live_.publish({end_.segment, end_.offset});
    queue_.reset();
    file_.reset();
  }
  return Synced{.end_segment = end_.segment, .end_offset = end_.offset, .next_sequence = end_.next_sequence};
}

// The groups before it are synced already, so that it may say so before it is synced itself.
Status LogWriter::write_witness() {
  AlignedBuffer page = AlignedBuffer::allocate(kWitnessBytes);
  if (!page) return make_error(ErrorCode::resource_exhausted, "no memory for a group's head");
  const GroupHeader header{.store_tag = store_tag_of(options_.store),
                           .segment = end_.segment,
                           .offset = end_.offset,
                           .synced_through = synced_through_};
  CAIRN_INVARIANT(header.synced_through == end_.offset && header.total_bytes() == kWitnessBytes);
  encode_group_head(header, {}, page.first(kWitnessBytes));
  CAIRN_CHECK(file_->write_at(end_.offset, page.first(kWitnessBytes)));
  end_.offset += kWitnessBytes;
  appended_bytes_ += kWitnessBytes;
  return {};
}

AlignedBuffer LogWriter::take_buffer(std::size_t bytes) {
  const auto fits = std::find_if(spare_.begin(), spare_.end(), [&](const AlignedBuffer& b) {
    return b.capacity() >= bytes && b.capacity() <= align_up(bytes, kPageBytes) * 2;
  });
  if (fits == spare_.end()) {
    // Spares of other sizes would pile up where record sizes vary.
    if (spare_.size() > 4 * options_.groups_in_flight) spare_.clear();
    return AlignedBuffer::allocate(bytes);
  }
  AlignedBuffer buffer = std::move(*fits);
  spare_.erase(fits);
  return buffer;
}

}  // namespace cairn
