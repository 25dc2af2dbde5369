// SPDX-License-Identifier: Apache-2.0
//
// Store: blocks are encoded again, with more effort. Nothing is changed in place: what gets
// smaller is appended under its id with a higher sequence, which takes the place of what was there.
#include <algorithm>
#include <array>

#include "api/src/base_choice.h"
#include "api/src/block_recoder.h"
#include "api/src/delta_direction.h"
#include "api/src/ref_name.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/index/block_chain.h"
#include "engine/reclaim/scrub.h"

namespace cairn {
namespace {

// What is read and encoded before the log's turn is taken to write it.
constexpr std::uint64_t kTurnBytes = 16 * MiB;
constexpr std::size_t kTurnBlocks = 256;

class Listening {
 public:
  explicit Listening(DeltaNews& news) : news_(news) {}
  ~Listening() { news_.stop(); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  void begin() const { news_.listen(); }

 private:
  DeltaNews& news_;
};

struct Recoding {
  ChosenBlock block;
  std::size_t depth = 0;
  std::vector<CandidateBases> candidates;  // to try
  std::vector<Digest> added;               // of them, what the graph has for that
  bool whole = false;                      // it is a delta, and is not to be this one
};

class Optimization {
 public:
  Optimization(StoreImpl& store, const OptimizeOptions& options, const Progress& progress)
      : store_(store),
        options_(options),
        meter_(progress, "optimize", 0),
        pace_(options.bytes_per_second),
        recoder_(store, options_) {}

  Result<OptimizeReport> run() {
    const auto check_stop = [this] { return meter_.check_stop(); };
    CAIRN_TRY(const auto blocks, choose_blocks(store_, options_.name, check_stop));
    if (makes_deltas()) {
      CAIRN_TRY(const std::string name, name_alone());
      CAIRN_CHECK(bases_.find(store_, name, check_stop));
      CAIRN_CHECK(graph_.load(store_, check_stop));
      CAIRN_CHECK(direction_.find(store_, bases_, graph_));
    }
    const Stages stages = plan(blocks);
    for (std::size_t i = 0; i < stages.size(); ++i) {
      CAIRN_CHECK(recode(stages[i], i < kUnchanged));
      restore(stages[i]);
    }
    return std::move(report_);
  }

 private:
  using Fate = DeltaDirection::Fate;
  // What becomes whole, what becomes another difference, and the others: older blocks may rely on what went before.
  static constexpr std::size_t kUnchanged = 2;
  using Stages = std::array<std::vector<ChosenBlock>, kUnchanged + 1>;

  bool makes_deltas() const { return options_.base == OptimizeOptions::Base::automatic; }

  Result<std::string> name_alone() const {
    if (options_.name.empty()) return std::string();
    CAIRN_TRY(RefName wanted, parse_ref_name(options_.name));
    return std::move(wanted.name);
  }

  Fate fate(const ChosenBlock& block) const {
    if (!has_parts(block.at)) return Fate::as_it_is;
    return makes_deltas() ? direction_.fate(block.digest, bases_, graph_) : Fate::whole;
  }

  Stages plan(const std::vector<ChosenBlock>& blocks) {
    std::vector<ChosenBlock> turned;
    Stages stages;
    for (const ChosenBlock& block : blocks) {
      const Fate of = fate(block);
      (of == Fate::turned ? turned : stages[of == Fate::whole ? 0 : kUnchanged]).push_back(block);
    }
    // As if they were whole.
    for (const auto* some : {&stages[0], &turned}) {
      for (const ChosenBlock& block : *some) {
        if (const auto* bases = graph_.bases(block.digest)) supposed_whole_.emplace(block.digest, *bases);
        graph_.set(block.digest, {});
      }
    }
    bases_.settle(graph_, direction_.kept());
    // From the newest on.
    std::ranges::reverse(turned);
    for (const ChosenBlock& block : turned) {
      stages[bases_.candidates(block.digest).empty() ? 0 : 1].push_back(block);
    }
    return stages;
  }

  // What was not written after all relies on what it did.
  void restore(const std::vector<ChosenBlock>& stage) {
    for (const ChosenBlock& block : stage) {
      const auto bases = supposed_whole_.find(block.digest);
      if (bases != supposed_whole_.end()) graph_.set(block.digest, bases->second);
    }
  }

  // All of it is committed when this returns. `whole`: they are deltas, and are not to be these.
  Status recode(const std::vector<ChosenBlock>& blocks, bool whole) {
    auto next = [&, at = blocks.begin()]() mutable -> Result<std::optional<Recoding>> {
      CAIRN_CHECK(meter_.check_stop());
      if (at == blocks.end()) return std::optional<Recoding>();
      CAIRN_CHECK(pace_.wait(at->at.stored_bytes, meter_));
      const ChosenBlock& block = *at++;
      hear_news();
      Recoding recoding{
          .block = block, .depth = graph_.depth(block.digest), .candidates = {}, .added = {}, .whole = whole};
      take_candidates(recoding);
      return std::optional(std::move(recoding));
    };
    const auto work = [this](Recoding& recoding) {
      return recoder_.recode(recoding.block, recoding.depth, recoding.candidates, recoding.whole);
    };
    const auto consume = [this](const Recoding& recoding, Recoded recoded) {
      return take(recoding, std::move(recoded));
    };
    Status worked =
        parallel_in_order<Recoding, Recoded>(store_.pool(), 4 * store_.pool().threads() + 4, next, work, consume);
    CAIRN_CHECK(worked);
    return write();
  }

  // What add() has made from others meanwhile; nobody adds while this one has the log's turn.
  void hear_news() {
    for (const auto& [block, base] : store_.delta_news().take()) {
      if (!graph_.relies(block, base)) graph_.add(block, base);
      direction_.keep(base);
    }
  }

  // What to try for a block. The graph has it from now on, until it is found not to be worth it.
  void take_candidates(Recoding& recoding) {
    const Digest& block = recoding.block.digest;
    if (direction_.is_kept(block)) return;
    for (std::vector<Digest>& bases : bases_.candidates(block)) {
      const auto relied_on = [&](const Digest& base) { return graph_.relies(block, base); };
      if (std::ranges::all_of(bases, relied_on) || !graph_.may_rely(block, bases)) continue;
      const std::size_t depth = graph_.depth_with(bases);
      recoding.candidates.push_back({std::move(bases), depth});
    }
    for (const CandidateBases& from : recoding.candidates) {
      for (const Digest& base : from.bases) {
        if (graph_.relies(block, base)) continue;
        graph_.add(block, base);
        recoding.added.push_back(base);
      }
    }
  }

  Status take(const Recoding& recoding, Recoded recoded) {
    const ChosenBlock& block = recoding.block;
    for (const Digest& base : recoding.added) {
      if (std::ranges::find(recoded.bases, base) == recoded.bases.end()) graph_.remove(block.digest, base);
    }
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
      for (const auto& [block, recoded] : waiting_) {
        rely(block.digest, recoded.bases);
        count(block.at.stored_bytes, recoded);
      }
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
      for (const auto& [block, bases] : written_) rely(block, bases);
      written_.clear();
    }
    waiting_.clear();
    waiting_bytes_ = 0;
    return {};
  }

  void rely(const Digest& block, const std::vector<Digest>& bases) {
    graph_.set(block, bases);
    supposed_whole_.erase(block);
  }

  // Others wrote meanwhile: a block may be dead, or gone, or written again by now.
  Status append_to(BlockSink& sink) {
    hear_news();
    for (const auto& [block, recoded] : waiting_) {
      const bool may_rely =
          recoded.bases.empty() || (!direction_.is_kept(block.digest) && graph_.may_rely(block.digest, recoded.bases));
      if (!may_rely) continue;
      CAIRN_TRY(const auto now, store_.index().find_block(block.digest));
      if (!now || now->references == 0 || now->quarantined) continue;
      if (!recoder_.is_worth_it(recoded, *now)) continue;
      CAIRN_TRY(const bool sound, bases_are_sound(block.digest, recoded, *now));
      if (!sound) continue;
      CAIRN_CHECK(sink.replace(block.digest, now->logical_bytes, recoded.codec, recoded.payload, recoded.bases));
      count(block.at.stored_bytes, recoded);
      written_.emplace_back(block.digest, recoded.bases);
      CAIRN_CHECK(sink.commit_if_due());
    }
    return {};
  }

  // Nothing relies on itself, whatever the graph may have missed.
  Result<bool> bases_are_sound(const Digest& digest, const Recoded& recoded, const RecordLocation& block) {
    for (const Digest& base : recoded.bases) {
      CAIRN_TRY(const auto at, store_.index().find_block(base));
      if (!at || at->logical_bytes != block.logical_bytes) return false;
      CAIRN_TRY(const bool sound, is_sound(store_.index(), store_.parts(), base, *at, &digest));
      if (!sound) return false;
    }
    return true;
  }

  void count(std::uint64_t before, const Recoded& recoded) {
    const std::uint64_t after = recoded.stored_bytes();
    ++report_.rewritten_blocks;
    report_.delta_blocks += recoded.bases.empty() ? 0 : 1;
    report_.after_bytes = report_.after_bytes - before + after;
    meter_.add(0, after);
  }

  StoreImpl& store_;
  const OptimizeOptions options_;
  ProgressMeter meter_;
  Pace pace_;
  const BlockRecoder recoder_;
  OptimizeReport report_;
  BaseChoice bases_;
  DeltaGraph graph_;
  DeltaDirection direction_;
  std::unordered_map<Digest, std::vector<Digest>> supposed_whole_;  // by plan(), and not written yet; what they rely on
  std::vector<std::pair<ChosenBlock, Recoded>> waiting_;
  std::uint64_t waiting_bytes_ = 0;                              // of payloads
  std::vector<std::pair<Digest, std::vector<Digest>>> written_;  // in this turn, and from what
};

}  // namespace

Result<OptimizeReport> Store::optimize(const OptimizeOptions& options, const Progress& progress) {
  CAIRN_CHECK(impl_->check_usable());
  if (options.level < 1 || options.level > 19) {
    return make_error(ErrorCode::invalid_argument, "level " + std::to_string(options.level) + ": from 1 to 19");
  }
  impl_->settle_puts();
  const std::lock_guard one_at_a_time(impl_->optimizing());
  const Listening listening(impl_->delta_news());
  if (options.dry_run) {
    CAIRN_CHECK(impl_->follow());
  } else {
    CAIRN_TRY(const StoreImpl::Writing writing, impl_->begin_writing());
    listening.begin();
  }
  return Optimization(*impl_, options, progress).run();
}

}  // namespace cairn
