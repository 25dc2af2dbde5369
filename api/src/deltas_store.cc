// SPDX-License-Identifier: Apache-2.0
//
// Deltas::store: the streams of the difference go into the log as they are made, each piece is reconstructed at once as
// a reader will, and one commit makes the delta, and what it needs of its base, visible.
#include <chrono>
#include <cmath>

#include "api/src/delta_store.h"
#include "api/src/difference_writer.h"
#include "cairn/retention.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

constexpr std::size_t kWordsBytesMax = MiB;

Error wrong(const std::string& why) { return make_error(ErrorCode::invalid_argument, "store a delta: " + why); }

bool is_size(double value) { return value >= 0 && std::isfinite(value); }

Status check_options(const DeltaOptions& options) {
  if (options.max_error && !is_size(*options.max_error)) return wrong("max_error is a finite number, and not negative");
  if (!is_size(options.threshold)) return wrong("threshold is a finite number, and not negative");
  if (!is_size(options.maximum_ratio)) return wrong("maximum_ratio is a finite number, and not negative");
  std::size_t words = options.name.size();
  for (const auto& [key, value] : options.attributes) words += 8 + key.size() + value.size();
  return words > kWordsBytesMax ? Status(wrong("a name and its attributes take at most 1 MiB")) : Status();
}

// Not -0.
std::optional<double> bound_of(const DeltaOptions& options) {
  if (options.kind == DeltaKind::sparse) return std::abs(options.threshold);
  return options.max_error ? std::optional(std::abs(*options.max_error)) : std::nullopt;
}

// One call, for the time that it has the log's turn.
class Storing {
 public:
  Storing(StoreImpl& store, LogWriter& log, const ReadableTensor& target, const DeltaOptions& options)
      : store_(store),
        target_(target),
        options_(options),
        sink_({.digest = store.header().digest,
               .block_bytes = store.header().block_bytes,
               .encode = {.choice = codec_choice(store.codec())}},
              store.index(), log, store.parts()),
        writer_(store, sink_) {}

  // What was appended in vain is dead.
  Result<std::pair<Digest, DeltaManifest>> run(const DeltaPlan& plan, const DeltaBase& base) {
    auto written = write(plan, base);
    if (!written.ok() && !sink_.abandon().ok()) return std::move(written).error();
    return written;
  }
  const std::string& whole_because() const { return whole_because_; }

 private:
  Result<std::pair<Digest, DeltaManifest>> write(const DeltaPlan& plan, const DeltaBase& base) {
    DeltaManifest delta = manifest_of(plan.kind);
    if (plan.kind == DeltaKind::whole) {
      whole_because_ = "it was asked for";
    } else {
      CAIRN_CHECK(write_difference(plan, base, delta));
    }
    if (!whole_because_.empty()) {
      delta = manifest_of(DeltaKind::whole);
      CAIRN_TRY(delta.target, writer_.write_tensor(target_));
    }
    const std::vector<std::byte> encoded = encode(delta);
    // What nobody can read must not be all that is left of a tensor.
    CAIRN_CHECK(decode_delta(encoded));
    const Digest id = delta_id(store_.header().digest, encoded);
    CAIRN_CHECK(sink_.write_object(RecordKind::delta, id, encoded));
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    std::vector<Root> roots{Root{.kind = RecordKind::delta,
                                 .id = id,
                                 .name = options_.name,
                                 .bytes = delta.bytes,
                                 .created_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(),
                                 .attributes = options_.attributes}};
    CAIRN_CHECK(sink_.write_roots(std::move(roots)));
    CAIRN_CHECK(sink_.commit());
    return std::pair(id, std::move(delta));
  }

  DeltaManifest manifest_of(DeltaKind kind) const {
    return {.kind = kind, .dtype = target_.dtype, .shape = target_.shape, .bytes = target_.bytes};
  }

  Status write_difference(const DeltaPlan& plan, const DeltaBase& base, DeltaManifest& delta) {
    CAIRN_TRY(const ReadableTensor from, open_base(store_, base));
    CAIRN_CHECK(check_base(target_, from));
    if (target_.bytes < options_.minimum_bytes) {
      whole_because_ = "the target has " + std::to_string(target_.bytes) + " bytes, less than minimum_bytes";
      return {};
    }
    const double bytes_max = options_.maximum_ratio * static_cast<double>(target_.bytes);
    CAIRN_TRY(const bool fits, writer_.write(plan, bound_of(options_), target_, from, bytes_max, delta));
    if (!fits) {
      whole_because_ = "the delta takes more than " + metric_text(options_.maximum_ratio) + " of the target's " +
                       std::to_string(target_.bytes) + " bytes";
      return {};
    }
    // delta.base is what was read.
    if (const auto* const id = std::get_if<std::string>(&base)) {
      CAIRN_TRY(const Digest asked, parse_digest(store_.header().digest, *id));
      if (asked != delta.base) return make_error(ErrorCode::corruption, "tensor " + *id + " has another content");
    } else {
      CAIRN_TRY(const Digest kept, writer_.write_tensor(from));
      if (kept != delta.base) return wrong("the base changed while it was read");
    }
    return {};
  }

  StoreImpl& store_;
  const ReadableTensor& target_;
  const DeltaOptions& options_;
  BlockSink sink_;
  DifferenceWriter writer_;
  std::string whole_because_;
};

}  // namespace

Result<StoredDelta> Deltas::store(const TensorBytes& target, const DeltaBase& base, const DeltaOptions& options) {
  CAIRN_CHECK(check_options(options));
  CAIRN_TRY(const ReadableTensor readable, open_given(target, "target"));
  const DeltaPlan plan{.kind = options.kind,
                       .dtype = readable.dtype,
                       .shape = readable.shape,
                       .bytes = readable.bytes,
                       .axis = options.kind == DeltaKind::axis_scaled ? options.axis : 0};
  CAIRN_CHECK(check_plan(plan));
  store_->settle_puts();
  CAIRN_TRY(const StoreImpl::Writing writing, store_->begin_writing());
  Storing storing(*store_, *writing.log, readable, options);
  CAIRN_TRY(const auto written, storing.run(plan, base));
  const auto& [id, manifest] = written;
  StoredDelta stored{.whole_because = storing.whole_because()};
  CAIRN_TRY(stored.delta, describe_delta(*store_, id, manifest));
  CAIRN_TRY(const std::optional<Root> root, store_->index().find_root(RecordKind::delta, id, options.name));
  if (root) stored.delta.names = {{.name = root->name, .created_ns = root->created_ns, .attributes = root->attributes}};
  return stored;
}

}  // namespace cairn
