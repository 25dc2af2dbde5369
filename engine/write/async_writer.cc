// SPDX-License-Identifier: Apache-2.0
#include "engine/write/async_writer.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <system_error>
#include <tuple>

#include "engine/base/background_thread.h"
#include "engine/base/errors.h"
#include "engine/content/digester.h"

namespace cairn {
namespace {

using Clock = std::chrono::steady_clock;

// Finished values are committed though more is waiting once this much was appended and this
// much time has passed: a slow disk need not sync too often, nor a fast one. Nobody waits
// longer than the second time for what only comes later.
constexpr std::uint64_t kCommitBytes = 128 * MiB;
constexpr std::chrono::milliseconds kCommitInterval{200}, kCommitIntervalMax{1000};
// Small values between large ones are committed this often: a commit waits for what is
// being written.
constexpr std::chrono::milliseconds kSmallCommitInterval{50};
// What the writer's thread digests and encodes itself, and how often in a row.
constexpr std::uint32_t kInlineBytesMax = 64 * KiB;
constexpr std::size_t kInlineRunMax = 64;
// How long the writer keeps the log's turn though others wait for it.
constexpr std::chrono::milliseconds kTurnMin{50};

std::int64_t wall_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

// One turn at the log: from the first block to the commit of the last.
class AsyncWriter::Session {
 public:
  explicit Session(AsyncWriter& writer)
      : writer_(writer),
        sink_(writer.write_, writer.parts_.index, writer.parts_.log, writer.parts_.stored),
        log_bytes_(writer.parts_.log.written_bytes()),
        began_(Clock::now()),
        last_commit_(began_) {}

  // Fails only when the log or the index does: an error of one value is in its ticket, and
  // so is a disk without room for what was put.
  Status run() {
    const auto next = [&]() -> Result<std::optional<PutQueue::Cut>> {
      for (std::size_t in_a_row = 0; !gives_way(); ++in_a_row) {
        // However many small values there are, large ones move on.
        auto cut = writer_.queue_.next(in_a_row >= kInlineRunMax);
        if (cut && is_done_here(*cut)) {
          CAIRN_CHECK(append(*cut, prepare(*cut)));
          continue;
        }
        if (cut && cut->small) ++small_in_pool_;
        return cut;
      }
      return std::optional<PutQueue::Cut>();
    };
    const auto work = [&](PutQueue::Cut& cut) -> Result<Prepared> { return Prepared{prepare(cut)}; };
    const auto consume = [&](PutQueue::Cut cut, Prepared prepared) -> Status {
      if (cut.small) --small_in_pool_;
      return append(cut, std::move(prepared.block));
    };
    WorkerPool& pool = writer_.parts_.pool;
    CAIRN_CHECK((parallel_in_order<PutQueue::Cut, Prepared>(pool, 4 * pool.threads() + 4, next, work, consume)));
    return commit();
  }

 private:
  struct Prepared {
    Result<BlockSink::Block> block;
  };

  // Others wait for the log's turn, and this one has had some of it.
  bool gives_way() const { return writer_.parts_.turn.has_waiters() && Clock::now() - began_ >= kTurnMin; }

  // Handing a value of one small block to the pool takes longer than preparing it. It may pass
  // what is there already, as long as that is of the other lane.
  bool is_done_here(const PutQueue::Cut& cut) const {
    return cut.small && cut.offset == 0 && cut.last && cut.length <= kInlineBytesMax && small_in_pool_ == 0;
  }

  // On a pool thread, or on the writer's.
  Result<BlockSink::Block> prepare(PutQueue::Cut& cut) {
    const PutState& put = *cut.put;
    if (!put.copied && !put.layout.contiguous() && cut.length > 0) {
      const std::shared_ptr<AlignedBuffer> buffer = writer_.gathered_.take();
      if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory to gather a tensor");
      put.layout.gather(put.memory, cut.offset, buffer->first(cut.length));
      cut.bytes = buffer->first(cut.length);
      cut.hold = buffer;
    }
    if (cut.length == 0) return BlockSink::Block{};  // an empty value has no block
    return sink_.prepare(cut.hold, cut.bytes, put.tensor ? put.tensor->dtype : DType::opaque);
  }

  // After an error of the log or the index nothing more is tried: the first one counts.
  Status append(PutQueue::Cut& cut, Result<BlockSink::Block> block) {
    if (broken_.ok()) broken_ = append_next(cut, std::move(block));
    return broken_;
  }

  Status append_next(PutQueue::Cut& cut, Result<BlockSink::Block> block) {
    PutState& put = *cut.put;
    PutGroup& group = *put.group;
    if (!block.ok()) {
      if (!group.error) group.error = block.error();
    } else if (group.error) {
      sink_.disclaim(*block);
    } else if (cut.length > 0) {
      CAIRN_CHECK(taken(group, append_block(put, std::move(*block))));
    }
    cut.hold.reset();
    if (cut.last) CAIRN_CHECK(finish(put));
    if (due()) return commit();
    return written_.empty() ? sink_.commit_if_due() : Status();
  }

  // Where the log had no room, or a condition did not hold, the log is as it was: the values have
  // failed, not the writer.
  Status taken(PutGroup& group, const Status& appended) {
    if (appended.ok()) return {};
    const bool refused = appended.error().code == ErrorCode::no_space || appended.error().code == ErrorCode::conflict;
    if (!refused || writer_.parts_.log.failed()) return appended;
    group.error = appended.error();
    return {};
  }

  Status append_block(PutState& put, BlockSink::Block block) {
    CAIRN_TRY(const bool fresh, sink_.append(block));
    if (fresh) writer_.queue_.count_block(block.content.size());
    put.blocks.push_back({block.digest, static_cast<std::uint32_t>(block.content.size())});
    hold(put, {RecordKind::block, block.digest});
    if (put.layout.total_bytes() > writer_.write_.block_bytes) {
      if (!put.whole) put.whole = std::make_unique<StreamDigester>(writer_.parts_.pool, writer_.write_.digest);
      put.whole->push(std::move(block.hold), block.content);
    }
    return {};
  }

  // Every block of the value is in the log, or known.
  Status finish(PutState& put) {
    PutGroup& group = *put.group;
    if (!group.error) CAIRN_CHECK(taken(group, write_manifests(put)));
    put.whole.reset();
    if (--group.unwritten > 0) return {};
    if (group.end && !group.error) {
      CAIRN_CHECK(taken(group, group.end->append(sink_, writer_.parts_.index, group.roots)));
    }
    writer_.held_.erase(&group);
    if (group.error) {
      writer_.queue_.settled(group, *group.error);
      return {};
    }
    std::vector<std::string> ids;
    for (const Root& root : group.roots) ids.push_back(to_text(writer_.write_.digest, root.id));
    group.ticket->identify(std::move(ids));
    writer_.queue_.appended(group);
    written_.push_back(put.group);
    small_written_ = small_written_ || group.bytes < writer_.write_.block_bytes;
    return {};
  }

  // One value of one block gets its root in this turn: nobody comes between.
  void hold(const PutState& put, const Reference& reference) {
    const bool one_turn = put.group->roots.size() == 1 && put.layout.total_bytes() <= writer_.write_.block_bytes;
    if (!one_turn) writer_.held_[put.group.get()].push_back(reference);
  }

  Status write_manifests(PutState& put) {
    const DigestKind digest = writer_.write_.digest;
    const std::uint64_t bytes = put.layout.total_bytes();
    const Digest blob = put.whole            ? put.whole->finish()
                        : put.blocks.empty() ? digest_of(digest, {})
                                             : put.blocks.front().digest;
    CAIRN_CHECK(sink_.write_blob_manifest(blob, std::move(put.blocks), bytes));
    Root& root = put.group->roots[put.place];
    root = Root{.kind = RecordKind::blob,
                .id = blob,
                .name = std::move(put.name),
                .bytes = bytes,
                .created_ns = wall_clock_ns(),
                .attributes = std::move(put.attributes)};
    hold(put, {RecordKind::blob, blob});
    if (!put.tensor) return {};
    const TensorManifest tensor{
        .dtype = put.tensor->dtype, .attribute = 0, .shape = put.tensor->shape, .bytes = bytes, .blob = blob};
    root.kind = RecordKind::tensor;
    root.id = tensor_id(digest, tensor.dtype, tensor.attribute, tensor.shape, blob);
    hold(put, {RecordKind::tensor, root.id});
    return sink_.write_object(RecordKind::tensor, root.id, encode(tensor));
  }

  bool due() const {
    if (written_.empty()) return false;
    const auto waited = Clock::now() - last_commit_;
    if (waited >= kCommitIntervalMax) return true;
    const std::uint64_t written = writer_.parts_.log.written_bytes() - log_bytes_;
    if (written >= kCommitBytes && waited >= kCommitInterval) return true;
    return small_written_ && waited >= kSmallCommitInterval;
  }

  // What a name says already need not be said again, unless it says something else by now.
  Result<bool> is_known(const Root& root) {
    CAIRN_TRY(const auto present, writer_.parts_.index.find_root(root.kind, root.id, root.name));
    if (!present) return false;
    std::tuple key(root.kind, root.id, root.name);
    if (present->attributes == root.attributes) return !reworded_.contains(key);
    reworded_.insert(std::move(key));
    return false;
  }

  // All groups that are written become visible, in the order in which they were.
  Status commit() {
    std::vector<Root> roots;
    std::vector<PutGroup*> of;  // whose roots these are
    for (const auto& group : written_) {
      if (group->end) continue;
      std::vector<Root> changed;
      for (const Root& root : group->roots) {
        CAIRN_TRY(const bool known, is_known(root));
        if (!known) changed.push_back(root);
      }
      roots_bytes_ += encode(RootsRecord{.roots = changed}).size();
      if (roots_bytes_ > kRootsBytesMax / 2 && !roots.empty()) CAIRN_CHECK(write_roots(roots, of));
      if (!changed.empty()) of.push_back(group.get());
      std::move(changed.begin(), changed.end(), std::back_inserter(roots));
    }
    if (!roots.empty()) CAIRN_CHECK(write_roots(roots, of));
    // What is known and committed needs no sync.
    if (writer_.parts_.log.has_unreported()) {
      CAIRN_CHECK(sink_.commit());
      const std::uint64_t log_bytes = writer_.parts_.log.written_bytes();
      writer_.queue_.count_commit(log_bytes - std::exchange(log_bytes_, log_bytes));
    }
    // Whatever becomes of it, the groups are committed.
    const Status followed = follow_up();
    for (const auto& group : std::exchange(written_, {})) {
      writer_.queue_.settled(*group, group->error ? Status(*group->error) : Status());
    }
    CAIRN_CHECK(followed);
    reworded_.clear();
    small_written_ = false;
    last_commit_ = Clock::now();
    return {};
  }

  // What follows from groups that are committed now, once for each name.
  Status follow_up() {
    std::map<std::string, std::pair<GroupEnd*, std::set<std::uint64_t>>> names;
    for (const auto& group : written_) {
      if (!group->end || group->error) continue;
      const auto [name, version] = group->end->version();
      auto& [last, versions] = names[name];
      last = group->end.get();
      versions.insert(version);
    }
    for (const auto& [name, end] : names) {
      const Status followed = end.first->follow_up(sink_, writer_.parts_.index, end.second);
      if (writer_.parts_.log.failed()) return followed;
    }
    return writer_.parts_.log.has_unreported() ? sink_.commit() : Status();
  }

  Status write_roots(std::vector<Root>& roots, std::vector<PutGroup*>& of) {
    roots_bytes_ = 0;
    const Status written = sink_.write_roots(std::exchange(roots, {}));
    for (PutGroup* const group : std::exchange(of, {})) CAIRN_CHECK(taken(*group, written));
    return {};
  }

  AsyncWriter& writer_;
  BlockSink sink_;
  std::vector<std::shared_ptr<PutGroup>> written_;                  // and not committed
  std::set<std::tuple<RecordKind, Digest, std::string>> reworded_;  // names in the index whose attributes change
  bool small_written_ = false;
  std::size_t small_in_pool_ = 0;  // blocks of small values that are being prepared there
  std::uint64_t roots_bytes_ = 0;
  std::uint64_t log_bytes_;  // when this session had last committed
  const Clock::time_point began_;
  Clock::time_point last_commit_;
  Status broken_;
};

AsyncWriter::AsyncWriter(const Parts& parts, const WriteOptions& write, const WriterOptions& options)
    : parts_(parts), write_(write), queue_(options, write.block_bytes), gathered_(write.block_bytes) {}

Status AsyncWriter::start(int nice) {
  try {
    thread_ = std::thread([this, nice] { run(nice); });
  } catch (const std::system_error&) {
    return make_error(ErrorCode::resource_exhausted, "writer: the system starts no more threads");
  }
  return {};
}

AsyncWriter::~AsyncWriter() { close(); }

void AsyncWriter::close() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

std::vector<Reference> AsyncWriter::held() const {
  std::vector<Reference> held;
  for (const auto& [group, references] : held_) held.insert(held.end(), references.begin(), references.end());
  return held;
}

void AsyncWriter::run(int nice) {
  become_background_thread("cairn-writer", nice);
  while (queue_.wait_for_work()) {
    const std::unique_lock turn(parts_.turn);
    Session session(*this);
    Status written = parts_.turn_began();
    if (written.ok()) written = session.run();
    if (written.ok()) continue;
    // The log's end is in doubt, or the index is: nothing may be built upon them.
    if (!parts_.log.failed()) parts_.log.fail(written.error());
    queue_.fail(written.error(), *parts_.log.failure());
    return;
  }
}

}  // namespace cairn
