// SPDX-License-Identifier: Apache-2.0
//
// Store: blocks are encoded again, with more effort. Nothing is changed in place: what gets
// smaller is appended under its id with a higher sequence, which takes the place of what was there.
#include "api/src/optimize_choice.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/codec/block_codec.h"
#include "engine/io/read_twice.h"
#include "engine/reclaim/scrub.h"

namespace cairn {
namespace {

// What is read and encoded before the log's turn is taken to write it.
constexpr std::uint64_t kTurnBytes = 16 * MiB;
constexpr std::size_t kTurnBlocks = 256;

// Less is not worth writing it again.
bool is_worth_it(std::size_t now, std::uint64_t before) { return now + before / 16 <= before && now < before; }

BlockEncoder& thread_encoder() {
  thread_local BlockEncoder encoder;
  return encoder;
}

// What was encoded takes the place of the only copy: it is decoded first.
bool decodes_to(Bytes content, CodecId codec, Bytes payload) {
  thread_local BlockDecoder decoder;
  std::vector<std::byte> decoded(content.size());
  return decoder.decode(codec, payload, decoded).ok() && std::ranges::equal(decoded, content);
}

struct Recoded {
  bool gone = false, damaged = false;
  CodecId codec = CodecId::raw;
  std::vector<std::byte> payload;  // empty: it gets no smaller
};

class Optimization {
 public:
  Optimization(StoreImpl& store, const OptimizeOptions& options, const Progress& progress)
      : store_(store), options_(options), meter_(progress, "optimize", 0), pace_(options.bytes_per_second) {}

  Result<OptimizeReport> run() {
    CAIRN_TRY(const auto blocks, choose_blocks(store_, options_.name));
    auto next = [&, at = blocks.begin()]() mutable -> Result<std::optional<ChosenBlock>> {
      CAIRN_CHECK(meter_.check_stop());
      if (at == blocks.end()) return std::optional<ChosenBlock>();
      CAIRN_CHECK(pace_.wait(at->at.stored_bytes, meter_));
      return std::optional(*at++);
    };
    const auto work = [this](ChosenBlock& block) { return recode(block); };
    const auto consume = [this](const ChosenBlock& block, Recoded recoded) { return take(block, std::move(recoded)); };
    Status worked =
        parallel_in_order<ChosenBlock, Recoded>(store_.pool(), 4 * store_.pool().threads() + 4, next, work, consume);
    CAIRN_CHECK(worked);
    CAIRN_CHECK(write());
    return std::move(report_);
  }

 private:
  // Any thread.
  Result<Recoded> recode(const ChosenBlock& block) {
    Recoded best;
    const auto read = read_twice([&] { return store_.blocks().read_block(block.digest); });
    if (!read.ok()) {
      best.gone = read.error().code == ErrorCode::not_found;
      best.damaged = read.error().code == ErrorCode::corruption || read.error().code == ErrorCode::io;
      if (best.gone || best.damaged) return best;
      return read.error();
    }
    std::uint64_t smallest = block.at.stored_bytes;
    const auto consider = [&](CodecChoice choice) {
      const Encoded encoded =
          thread_encoder().encode(read->content, block.dtype, {.choice = choice, .zstd_level = options_.level});
      if (encoded.payload.size() >= smallest || !is_worth_it(encoded.payload.size(), block.at.stored_bytes)) return;
      smallest = encoded.payload.size();
      best.codec = encoded.codec;
      best.payload.assign(encoded.payload.begin(), encoded.payload.end());
    };
    consider(CodecChoice::automatic);
    // Floats that are split into planes are smaller than any frame of them.
    const bool split = best.codec == CodecId::float_split || block.at.codec == static_cast<int>(CodecId::float_split);
    if (!split) consider(CodecChoice::zstd);
    if (!best.payload.empty() && !decodes_to(read->content, best.codec, best.payload)) {
      return make_error(ErrorCode::corruption,
                        "block " + store_.id_text(block.digest) +
                            ": what it was encoded to does not decode to it; nothing is replaced");
    }
    return best;
  }

  Status take(const ChosenBlock& block, Recoded recoded) {
    if (recoded.gone) return {};
    ++report_.blocks;
    report_.before_bytes += block.at.stored_bytes;
    report_.after_bytes += block.at.stored_bytes;
    meter_.add(block.at.stored_bytes);
    if (recoded.damaged) report_.damaged.push_back(store_.id_text(block.digest));
    if (recoded.payload.empty()) return {};
    waiting_bytes_ += recoded.payload.size();
    waiting_.emplace_back(block, std::move(recoded));
    if (waiting_bytes_ < kTurnBytes && waiting_.size() < kTurnBlocks) return {};
    return write();
  }

  // One turn at the log.
  Status write() {
    if (options_.dry_run) {
      for (const auto& [block, recoded] : waiting_) count(block.at.stored_bytes, recoded.payload.size());
    } else if (!waiting_.empty()) {
      CAIRN_TRY(const StoreImpl::Writing writing, store_.begin_writing());
      BlockSink sink({.digest = store_.header().digest, .block_bytes = store_.header().block_bytes}, store_.index(),
                     *writing.log, store_.parts());
      Status written = append_to(sink);
      // What the log took counts, also when the rest found no room.
      if (!writing.log->failed()) {
        Status committed = sink.commit();
        if (written.ok()) written = std::move(committed);
      }
      CAIRN_CHECK(written);
    }
    waiting_.clear();
    waiting_bytes_ = 0;
    return {};
  }

  // Others wrote meanwhile: a block may be dead, or gone, or written again by now.
  Status append_to(BlockSink& sink) {
    for (const auto& [block, recoded] : waiting_) {
      CAIRN_TRY(const auto now, store_.index().find_block(block.digest));
      if (!now || now->references == 0 || now->quarantined) continue;
      if (!is_worth_it(recoded.payload.size(), now->stored_bytes)) continue;
      CAIRN_CHECK(sink.replace(block.digest, now->logical_bytes, recoded.codec, recoded.payload));
      count(block.at.stored_bytes, recoded.payload.size());
      CAIRN_CHECK(sink.commit_if_due());
    }
    return {};
  }

  void count(std::uint64_t before, std::uint64_t after) {
    ++report_.rewritten_blocks;
    report_.after_bytes -= before - after;
    meter_.add(0, after);
  }

  StoreImpl& store_;
  const OptimizeOptions options_;
  ProgressMeter meter_;
  Pace pace_;
  OptimizeReport report_;
  std::vector<std::pair<ChosenBlock, Recoded>> waiting_;
  std::uint64_t waiting_bytes_ = 0;  // of payloads
};

}  // namespace

Result<OptimizeReport> Store::optimize(const OptimizeOptions& options, const Progress& progress) {
  CAIRN_CHECK(impl_->check_usable());
  if (options.level < 1 || options.level > 19) {
    return make_error(ErrorCode::invalid_argument, "level " + std::to_string(options.level) + ": from 1 to 19");
  }
  impl_->settle_puts();
  if (options.dry_run) {
    CAIRN_CHECK(impl_->follow());
  } else {
    CAIRN_TRY(const StoreImpl::Writing writing, impl_->begin_writing());
  }
  return Optimization(*impl_, options, progress).run();
}

}  // namespace cairn
