// SPDX-License-Identifier: Apache-2.0
#include "api/src/store_impl.h"
#include "api/src/background_gc.h"
#include "api/src/read_through.h"
#include "api/src/running_mirrors.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <random>
#include <thread>

#include "engine/base/errors.h"
#include "engine/log/segment_files.h"
#include "engine/log/segment_scan.h"
#include "engine/read/replay.h"
#include "engine/read/whole_content.h"
#include "engine/write/async_writer.h"

namespace cairn {
namespace {

constexpr std::uint64_t kHeaderBytesMax = 64 * KiB;

// Reads in flight at most: what keeps a device with a queue busy. They wait, and hardly work.
constexpr unsigned kReaders = 4;

constexpr unsigned kThreadsMax = 1024;
// Each retry means that a segment was reclaimed meanwhile, so a few are plenty.
constexpr int kViewAttemptsMax = 20;

Status check_options(const CreateOptions& options) {
  if (!std::has_single_bit(options.block_bytes) || options.block_bytes < 64 * KiB || options.block_bytes > 16 * MiB) {
    return make_error(ErrorCode::invalid_argument, "block size " + std::to_string(options.block_bytes) +
                                                       ": it is a power of two from 64 KiB to 16 MiB");
  }
  if (options.segment_bytes < 16ull * options.block_bytes || options.segment_bytes > 16 * GiB) {
    return make_error(ErrorCode::invalid_argument,
                      "segment size " + std::to_string(options.segment_bytes) + ": it is from 16 blocks to 16 GiB");
  }
  return {};
}

Status check_options(const ReclaimOptions& options, Access access) {
  if (access == Access::read_only) {
    return make_error(ErrorCode::invalid_argument, "a store that is open read-only reclaims nothing");
  }
  if (!(options.max_dead >= 0 && options.max_dead <= 1)) {
    return make_error(ErrorCode::invalid_argument, "a share of dead bytes is from 0 to 1");
  }
  if (options.interval < std::chrono::milliseconds(1) || options.interval > std::chrono::hours(24)) {
    return make_error(ErrorCode::invalid_argument,
                      "reclaiming every " + std::to_string(options.interval.count()) + " ms: from 1 ms to a day");
  }
  return {};
}

Status check_options(const StoreOptions& options) {
  if (options.threads > kThreadsMax) {
    return make_error(ErrorCode::invalid_argument,
                      std::to_string(options.threads) + " threads: at most " + std::to_string(kThreadsMax));
  }
  if (options.nice < 0 || options.nice > 19) {
    return make_error(ErrorCode::invalid_argument, "niceness " + std::to_string(options.nice) + ": from 0 to 19");
  }
  if (options.reclaim) CAIRN_CHECK(check_options(*options.reclaim, options.access));
  if (options.reclaim && !(options.reclaim->low_water > 0 && options.reclaim->low_water <= 1)) {
    return make_error(ErrorCode::invalid_argument, "a low-water mark is a share of the budget, above 0 and up to 1");
  }
  return {};
}

Status check_budget(const StoreOptions& options, std::uint64_t segment_bytes) {
  if (options.disk_budget_bytes == 0) return {};
  const std::uint64_t reserve = options.reserve_bytes.value_or(reserve_for(segment_bytes));
  const std::uint64_t segments = 4 * segment_bytes;
  if (options.disk_budget_bytes >= segments && options.disk_budget_bytes - segments >= reserve) return {};
  const std::uint64_t least = reserve > ~segments ? ~std::uint64_t{0} : segments + reserve;
  return make_error(ErrorCode::invalid_argument, "a budget of " + std::to_string(options.disk_budget_bytes) +
                                                     " bytes: this store needs at least " + std::to_string(least));
}

StoreUuid random_uuid() {
  StoreUuid uuid;
  std::random_device device;
  for (std::size_t i = 0; i < uuid.size(); i += sizeof(unsigned)) {
    const unsigned word = device();
    std::memcpy(uuid.data() + i, &word, sizeof(word));
  }
  return uuid;
}

// A folder that holds nothing, or only what an interrupted creation leaves behind.
Result<bool> may_hold_new_store(FileSystem& fs, const StoreLayout& layout) {
  CAIRN_TRY(const std::vector<std::string> names, fs.list_directory(layout.folder));
  for (const std::string& name : names) {
    if (name == "STORE.tmp") continue;
    if (name != "log") return false;
    CAIRN_TRY(const std::vector<std::string> segments, fs.list_directory(layout.log()));
    if (!segments.empty()) return false;
  }
  return true;
}

Result<StoreHeader> read_header(FileSystem& fs, const StoreLayout& layout) {
  const auto bytes = read_file(fs, layout.header(), kHeaderBytesMax);
  if (bytes.ok()) {
    auto header = decode_store_header(*bytes);
    if (!header.ok()) return std::move(header).error().with_context(layout.header());
    return header;
  }
  if (bytes.error().code != ErrorCode::not_found) return bytes.error();
  const auto segments = list_segments(fs, layout.log());
  if (segments.ok() && !segments->empty()) {
    return make_error(ErrorCode::corruption,
                      layout.header() + ": missing, though there is a log; run 'repair --index'");
  }
  return make_error(ErrorCode::no_store, "no store in '" + layout.folder + "'");
}

// The header file says nothing that the segments do not repeat.
Result<StoreHeader> header_from_log(FileSystem& fs, const StoreLayout& layout) {
  CAIRN_TRY(const std::vector<std::uint32_t> segments, list_segments(fs, layout.log()));
  for (const std::uint32_t number : segments) {
    CAIRN_TRY(const auto file, fs.open(segment_path(layout.log(), number), {}));
    std::vector<std::byte> page(kPageBytes);
    CAIRN_TRY(const std::size_t got, file->read_at(0, page));
    const auto found = decode_segment_header(page);
    if (got < kPageBytes || !found.ok() || found->segment != number) continue;
    return StoreHeader{.format_version = found->format_version,
                       .uuid = found->store,
                       .digest = found->digest,
                       .block_bytes = found->block_bytes,
                       .segment_bytes = found->segment_bytes};
  }
  return make_error(ErrorCode::corruption, layout.header() + ": unreadable, and so is every segment's header");
}

}  // namespace

Status StoreImpl::create(FileSystem& fs, const std::string& path, const CreateOptions& options) {
  CAIRN_CHECK(check_options(options));
  if (path.empty()) return make_error(ErrorCode::invalid_argument, "a store needs a folder");
  const StoreLayout layout(path);
  if (Status made = fs.create_directory(layout.folder); !made.ok()) {
    if (made.error().code != ErrorCode::already_exists) return made;
    CAIRN_TRY(const bool free, may_hold_new_store(fs, layout));
    if (!free) return make_error(ErrorCode::already_exists, "'" + path + "' is not empty");
  }
  if (Status made = fs.create_directory(layout.log()); !made.ok() && made.error().code != ErrorCode::already_exists) {
    return made;
  }
  const StoreHeader header{.format_version = kFormatVersion,
                           .uuid = random_uuid(),
                           .digest = options.digest,
                           .block_bytes = options.block_bytes,
                           .segment_bytes = options.segment_bytes};
  // The header makes the folder a store, so it comes last.
  CAIRN_CHECK(write_file_atomically(fs, layout.header(), as_bytes(encode_store_header(header))));
  return fs.sync_directory(parent_of(layout.folder));
}

Result<bool> StoreImpl::is_store(FileSystem& fs, const StoreLayout& layout) {
  const auto header = read_header(fs, layout);
  if (header.ok()) return true;
  if (header.error().code == ErrorCode::no_store) return false;
  return header.error();
}

StoreImpl::StoreImpl(FileSystem& fs, std::string path, const StoreHeader& header, const StoreOptions& options)
    : fs_(fs), layout_(std::move(path)), header_(header), options_(options), pid_(::getpid()) {
  info_ = StoreInfo{.path = layout_.folder,
                    .digest = header.digest,
                    .format_version = header.format_version,
                    .block_bytes = header.block_bytes,
                    .segment_bytes = header.segment_bytes};
  pool_ = std::make_unique<WorkerPool>(
      options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency()), "cairn-work",
      options.nice);
  readers_ = std::make_unique<WorkerPool>(kReaders, "cairn-read", options.nice);
  running_mirrors_ = std::make_unique<RunningMirrors>(*this);
}

StoreImpl::~StoreImpl() {
  // Whoever wants to know whether this worked calls close().
  static_cast<void>(close().ok());
}

Result<std::unique_ptr<StoreImpl>> StoreImpl::open(FileSystem& fs, const std::string& path, const StoreOptions& options,
                                                   const Progress& progress) {
  CAIRN_CHECK(check_options(options));
  const StoreLayout layout(path);
  CAIRN_TRY(const StoreHeader header, read_header(fs, layout));
  CAIRN_CHECK(check_budget(options, header.segment_bytes));
  std::unique_ptr<StoreImpl> store(new StoreImpl(fs, path, header, options));
  if (store->pool_->threads() == 0 || store->readers_->threads() == 0) {
    return make_error(ErrorCode::resource_exhausted, "open '" + path + "': the system starts no more threads");
  }
  if (options.access == Access::read_write) {
    CAIRN_TRY(store->lock_, fs.lock(layout.lock()));
  }
  CAIRN_CHECK(store->lock_ ? store->recover(progress) : store->load_view(progress));
  if (options.reclaim) {
    store->background_gc_ = std::make_unique<BackgroundGc>(*store, *options.reclaim);
    CAIRN_CHECK(store->background_gc_->start(options.nice));
  }
  if (!options.read_through.empty()) {
    CAIRN_TRY(auto mirror, ReadThrough::open(*store, options.read_through));
    store->read_through_from(std::move(mirror));
  }
  return store;
}

// Opens the index, or begins a new one when it is in doubt: the log has it all.
Result<std::unique_ptr<Index>> StoreImpl::open_index(bool& rebuilt) {
  const auto access = lock_ ? Index::Access::read_write : Index::Access::read_only;
  auto opened = Index::open(fs_, layout_.index(), access);
  if (opened.ok()) return opened;
  const ErrorCode code = opened.error().code;
  if (code != ErrorCode::corruption && code != ErrorCode::not_found) return opened;
  rebuilt = true;
  if (!lock_) return Index::open_in_memory();
  CAIRN_CHECK(Index::destroy(fs_, layout_.index()));
  return Index::open(fs_, layout_.index(), access);
}

void StoreImpl::note_replay(Replayed& replayed, bool rebuilt) {
  info_.recovery.index_rebuilt = rebuilt;
  info_.recovery.records_replayed = replayed.records;
  info_.recovery.torn_bytes = replayed.torn_bytes;
  info_.recovery.damage = std::move(replayed.damage);
}

void StoreImpl::make_readers() {
  log_reader_ = std::make_unique<LogReader>(fs_, layout_.log());
  parts_ = std::make_unique<LoggedParts>(*log_reader_);
  blocks_ = std::make_unique<BlockReader>(*index_, *log_reader_, *readers_, header_.digest, header_.block_bytes);
}

Result<Replayed> StoreImpl::bring_up_to_date(const Progress& progress) {
  bool rebuilt = false;
  CAIRN_TRY(index_, open_index(rebuilt));
  checkpointed_ = index_->applied();
  CAIRN_TRY(Replayed replayed,
            replay_log(fs_, layout_.log(), store_tag_of(header_.uuid), *index_, readers_.get(), progress));
  note_replay(replayed, rebuilt);
  make_readers();
  CAIRN_CHECK(sync_what_was_found());
  CAIRN_CHECK(forget_dead_objects());
  return replayed;
}

Status StoreImpl::recover(const Progress& progress) {
  room_ = std::make_unique<DiskRoom>(fs_, layout_.folder,
                                     DiskRoomOptions{.segment_bytes = header_.segment_bytes,
                                                     .budget_bytes = options_.disk_budget_bytes,
                                                     .reserve_bytes = options_.reserve_bytes});
  auto found = bring_up_to_date(progress);
  // What was removed on a full disk may be more than the index has room for.
  if (!found.ok() && found.error().code == ErrorCode::no_space && room_->give_up()) {
    blocks_.reset();
    parts_.reset();
    log_reader_.reset();
    index_.reset();
    found = bring_up_to_date(progress);
  }
  CAIRN_TRY(Replayed replayed, std::move(found));
  room_->refill();
  log_ = std::make_unique<LogWriter>(fs_, layout_.log(),
                                     LogOptions{.store = header_.uuid,
                                                .digest = header_.digest,
                                                .block_bytes = header_.block_bytes,
                                                .segment_bytes = header_.segment_bytes,
                                                .room = room_.get()},
                                     std::move(replayed.end));
  blocks_->set_on_damage([this](const Digest& key, const RecordLocation& at) { note_damage(key, at); });
  return {};
}

// Who finds an object in the index relies on its parts. The log may have an object still whose
// parts were reclaimed: one that is dead is not to be found.
Status StoreImpl::forget_dead_objects() {
  IndexBatch batch;
  batch.parts = parts_.get();
  CAIRN_TRY(batch.dropped, index_->dead_objects());
  CAIRN_TRY(const auto doubt, index_->doubt());
  if (doubt) {
    // What a damaged object refers to may look dead: it stays as long as its own parts are there.
    WholeContent there(*blocks_, true);
    std::vector<Reference> incomplete;
    for (const Reference& dead : batch.dropped) {
      CAIRN_TRY(const bool whole, there.is_whole(dead));
      if (!whole) incomplete.push_back(dead);
    }
    batch.dropped = std::move(incomplete);
  }
  return batch.dropped.empty() ? Status() : index_->apply(batch);
}

// A reader's index, and the log's tail on top. A writer that reclaims meanwhile may remove a
// part of the tail; the index on the disk is newer than that, then.
Result<std::unique_ptr<Index>> StoreImpl::open_view(WorkerPool* pool, const Progress& progress, Replayed& replayed,
                                                    bool& rebuilt) {
  for (int attempt = 1;; ++attempt) {
    rebuilt = false;
    CAIRN_TRY(auto index, open_index(rebuilt));
    CAIRN_TRY(replayed, replay_log(fs_, layout_.log(), store_tag_of(header_.uuid), *index, pool, progress));
    if (!replayed.gap || attempt == kViewAttemptsMax) return index;
  }
}

Status StoreImpl::load_view(const Progress& progress) {
  Replayed replayed;
  bool rebuilt = false;
  CAIRN_TRY(auto index, open_view(readers_.get(), progress, replayed, rebuilt));
  auto view = std::make_unique<ReplaceableIndex>(std::move(index));
  view_ = view.get();
  index_ = std::move(view);
  note_replay(replayed, rebuilt);
  make_readers();
  live_ = std::make_unique<LivePositionReader>(fs_, layout_.log(), store_tag_of(header_.uuid));
  blocks_->set_catch_up([this] { return follow(); });
  return {};
}

// A killed process may have left groups, or a whole segment, that no sync covers yet. The
// index now points at them, and what is added next will build upon them. Every segment but
// the last was synced before the next was begun. It may also have been killed before it had
// synced the folders of a store that it made, but not once there was a segment.
Status StoreImpl::sync_what_was_found() {
  const Position applied = index_->applied();
  if (applied.segment == 0) {
    CAIRN_CHECK(fs_.sync_directory(layout_.folder));
    Status synced = fs_.sync_directory(parent_of(layout_.folder));
    // Who may not read that folder can do nothing about it.
    if (!synced.ok() && synced.error().sys_errno == EACCES) return {};
    return synced;
  }
  if (applied == checkpointed_) return {};
  CAIRN_TRY(const auto file, fs_.open(segment_path(layout_.log(), applied.segment), {.write = true}));
  CAIRN_CHECK(file->sync());
  return fs_.sync_directory(layout_.log());
}

Result<RepairReport> StoreImpl::rebuild_index(FileSystem& fs, const std::string& path, const Progress& progress) {
  const StoreLayout layout(path);
  auto header = read_header(fs, layout);
  const bool header_lost = !header.ok() && header.error().code == ErrorCode::corruption;
  if (!header.ok() && !header_lost) return std::move(header).error();
  CAIRN_TRY(std::unique_ptr<FileLock> lock, fs.lock(layout.lock()));
  if (header_lost) {
    CAIRN_TRY(const StoreHeader found, header_from_log(fs, layout));
    CAIRN_CHECK(write_file_atomically(fs, layout.header(), as_bytes(encode_store_header(found))));
  }
  CAIRN_CHECK(Index::destroy(fs, layout.index()));
  lock.reset();
  CAIRN_TRY(const std::unique_ptr<StoreImpl> store, open(fs, path, StoreOptions{}, progress));
  RepairReport report{.records_replayed = store->info_.recovery.records_replayed,
                      .quarantined = store->info_.recovery.damage.size(),
                      .damage = store->info_.recovery.damage};
  CAIRN_CHECK(store->close());
  return report;
}

Result<StoreImpl::Writing> StoreImpl::begin_writing() {
  CAIRN_CHECK(check_usable());
  Writing writing{.lock = std::unique_lock(writing_)};
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  if (!log_) return make_error(ErrorCode::invalid_argument, "the store is open read-only");
  writing.log = log_.get();
  CAIRN_CHECK(quarantine_what_was_found());
  return writing;
}

Result<std::shared_ptr<AsyncWriter>> StoreImpl::writer() {
  CAIRN_CHECK(check_usable());
  const std::lock_guard lock(writer_mutex_);
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  if (!lock_) return make_error(ErrorCode::invalid_argument, "the store is open read-only");
  if (!writer_) {
    const WriteOptions write{.digest = header_.digest,
                             .block_bytes = header_.block_bytes,
                             .encode = {.choice = codec_choice(options_.codec)}};
    const auto writer =
        std::make_shared<AsyncWriter>(AsyncWriter::Parts{.index = *index_,
                                                         .log = *log_,
                                                         .stored = *parts_,
                                                         .pool = *pool_,
                                                         .turn = writing_,
                                                         .turn_began = [this] { return quarantine_what_was_found(); }},
                                      write, options_.writer);
    CAIRN_CHECK(writer->start(options_.nice));
    writer_ = writer;
  }
  return writer_;
}

Status StoreImpl::follow() {
  CAIRN_CHECK(check_usable());
  if (!live_) return {};
  const std::lock_guard lock(following_);
  const auto live = live_->read();
  if (!live) return {};
  const Position to{live->segment, live->offset};
  if (to <= index_->applied()) return {};
  CAIRN_TRY(const bool followed, follow_log(fs_, layout_.log(), store_tag_of(header_.uuid), *index_, to));
  if (!followed) {
    Replayed replayed;
    bool rebuilt = false;
    // Readers may be waiting for this very call: it needs none of them.
    CAIRN_TRY(auto index, open_view(nullptr, {}, replayed, rebuilt));
    view_->replace(std::move(index));
  }
  // What was reclaimed takes space as long as somebody has it open.
  CAIRN_TRY(const auto reclaimed, index_->reclaimed());
  if (reclaimed) log_reader_->forget(*reclaimed);
  return {};
}

void StoreImpl::settle_puts() {
  static_cast<void>(settle_tables().ok());
  std::shared_ptr<AsyncWriter> writer;
  {
    const std::lock_guard lock(writer_mutex_);
    writer = writer_;
  }
  // Reading goes on after the writer has failed.
  if (writer != nullptr) static_cast<void>(writer->queue().settle().ok());
}

WriterStats StoreImpl::writer_stats() const {
  const std::lock_guard lock(writer_mutex_);
  WriterStats stats;
  if (writer_) stats = writer_->queue().stats();
  if (log_) {
    stats.log_bytes = log_->appended_bytes();
    stats.index_bytes = index_->written_bytes();
  }
  return stats;
}

bool StoreImpl::forked() const noexcept { return ::getpid() != pid_; }

Status StoreImpl::check_usable() const {
  if (!forked()) return {};
  return make_error(ErrorCode::invalid_argument,
                    "'" + layout_.folder + "' was opened by process " + std::to_string(pid_) +
                        ", which forked this one: open it again after the parent closed it");
}

// The index learns of the witness as well: or the next opening would replay it.
Status StoreImpl::close_log() {
  CAIRN_TRY(const LogWriter::Synced end, log_->close());
  const Position position{end.end_segment, end.end_offset};
  if (position <= index_->applied()) return {};
  IndexBatch batch;
  batch.applied = position;
  batch.next_sequence = end.next_sequence;
  return index_->apply(batch);
}

void StoreImpl::read_through_from(std::unique_ptr<ReadThrough> mirror) { read_through_ = std::move(mirror); }

Status StoreImpl::close() {
  CAIRN_CHECK(check_usable());
  {
    const std::lock_guard lock(writer_mutex_);
    if (closed_) return {};
    closed_ = true;
  }
  if (background_gc_) background_gc_->stop();
  running_mirrors_->stop_all();
  if (read_through_) read_through_->stop();
  if (writer_) writer_->close();
  Status status = close_tables();
  const std::lock_guard lock(writing_);
  if (log_) {
    if (Status noted = log_->failed() ? Status() : quarantine_what_was_found(); status.ok()) status = std::move(noted);
    if (Status ended = close_log(); status.ok()) status = std::move(ended);
    // The index is worth its checkpoint even when the log failed: it holds what was synced.
    if (index_->applied() != checkpointed_ || info_.recovery.index_rebuilt || unsaved_) {
      room_->make_room_for_checkpoint();
      Status checkpoint = index_->checkpoint();
      if (status.ok()) status = std::move(checkpoint);
      room_->refill();
    }
  }
  // Also where opening has failed halfway.
  if (lock_ && index_) index_->retire();
  {
    const std::lock_guard guard(writer_mutex_);
    writer_.reset();
    log_.reset();
  }
  lock_.reset();
  if (temporary_ && status.ok()) status = destroy(fs_, layout_.folder);
  return status;
}

}  // namespace cairn
