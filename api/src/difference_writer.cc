// SPDX-License-Identifier: Apache-2.0
#include "api/src/difference_writer.h"

#include <algorithm>

#include "api/src/delta_store.h"
#include "engine/base/errors.h"
#include "engine/write/stream_digester.h"

namespace cairn {

Result<Digest> DifferenceWriter::write_tensor(const ReadableTensor& tensor) {
  StreamWriter writer(sink_, store_.index(), blocks_, tensor.dtype);
  for (std::uint64_t at = 0; at < tensor.bytes; at += MiB) {
    CAIRN_TRY(const Bytes piece, tensor.content->read(at, std::min<std::uint64_t>(MiB, tensor.bytes - at)));
    CAIRN_CHECK(writer.append(piece));
  }
  CAIRN_TRY(const Digest blob, writer.finish());
  const TensorManifest manifest{
      .dtype = tensor.dtype, .attribute = 0, .shape = tensor.shape, .bytes = tensor.bytes, .blob = blob};
  const Digest id = id_of(tensor, blob);
  CAIRN_CHECK(sink_.write_object(RecordKind::tensor, id, encode(manifest)));
  return id;
}

// One difference.
class DifferenceWriter::Run {
 public:
  // The encoder has looked, if it does, and not begun.
  Run(DifferenceWriter& writer, TensorDeltaEncoder& encoder)
      : writer_(writer),
        encoder_(encoder),
        streams_(stream_count(encoder.plan())),
        input_(streams_),
        result_(writer.store_.pool(), writer.digest()),
        target_(writer.digest()),
        base_(writer.digest()) {
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      writers_.emplace_back(writer.sink_, writer.store_.index(), writer.blocks_, stream_dtype(encoder.plan(), i));
    }
  }

  Status begin() {
    encoder_.begin(streams_);
    decoder_.emplace(encoder_.plan());
    CAIRN_CHECK(decoder_->begin(input_));
    return hand_over();
  }

  Status encode(std::uint64_t at, Bytes target, Bytes base) {
    encoder_.encode(at, target, base, streams_);
    base_.update(base);
    const SharedBuffer back = writer_.pieces_.take();
    if (!back) return make_error(ErrorCode::resource_exhausted, "no memory for a piece of a tensor");
    CAIRN_CHECK(decoder_->decode(at, input_, base, back->first(target.size())));
    CAIRN_CHECK(TensorDeltaDecoder::finish(input_));
    if (!is_lossless(encoder_.plan().kind)) {
      target_.update(target);
    } else if (!std::ranges::equal(target, back->first(target.size()))) {
      return make_error(ErrorCode::invalid_argument, "the target changed while it was stored");
    }
    result_.push(back, back->first(target.size()));
    return hand_over();
  }

  std::uint64_t stored_bytes() const {
    std::uint64_t bytes = 0;
    for (const StreamWriter& writer : writers_) bytes += writer.stored_bytes();
    return bytes;
  }

  // Writes the rest of the streams.
  Status finish(const ReadableTensor& target, std::optional<double> max_error, DeltaManifest& delta) {
    for (StreamWriter& writer : writers_) {
      DeltaStream stream;
      CAIRN_TRY(stream.blob, writer.finish());
      stream.bytes = writer.bytes();
      delta.streams.push_back(stream);
    }
    const Digest result = writer_.id_of(target, result_.finish());
    delta.base = writer_.id_of(target, base_.finish());
    delta.target = result;
    if (is_lossless(delta.kind)) return {};
    delta.target = writer_.id_of(target, target_.finish());
    delta.result = result;
    delta.largest_error = encoder_.largest_error();
    delta.max_error = max_error.value_or(delta.largest_error);
    delta.exceptions = encoder_.exceptions();
    delta.step = encoder_.plan().step;
    delta.axis = encoder_.plan().axis;
    return {};
  }

 private:
  Status hand_over() {
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      CAIRN_CHECK(writers_[i].append(streams_[i]));
      streams_[i].clear();
    }
    input_.rewind();
    return {};
  }

  DifferenceWriter& writer_;
  TensorDeltaEncoder& encoder_;
  std::optional<TensorDeltaDecoder> decoder_;
  DeltaStreams streams_;  // of the piece at hand
  MemoryDeltaInput input_;
  std::deque<StreamWriter> writers_;
  StreamDigester result_;
  Digester target_;  // of lossy kinds: of others it is the result
  Digester base_;
};

Result<bool> DifferenceWriter::write(DeltaPlan plan, std::optional<double> max_error, const ReadableTensor& target,
                                     const ReadableTensor& base, double bytes_max, DeltaManifest& delta) {
  TensorDeltaEncoder encoder(std::move(plan), max_error);
  if (encoder.looks_first()) {
    const auto look = [&](std::uint64_t at, Bytes of_target, Bytes of_base) -> Result<bool> {
      encoder.look(at, of_target, of_base);
      return true;
    };
    CAIRN_CHECK(for_each_piece(target, base, look));
  }
  Run run(*this, encoder);
  CAIRN_CHECK(run.begin());
  const auto fits = [&](std::uint64_t bytes) { return static_cast<double>(bytes) <= bytes_max; };
  const auto encode_piece = [&](std::uint64_t at, Bytes of_target, Bytes of_base) -> Result<bool> {
    CAIRN_CHECK(run.encode(at, of_target, of_base));
    return fits(run.stored_bytes());
  };
  CAIRN_CHECK(for_each_piece(target, base, encode_piece));
  if (!fits(run.stored_bytes())) return false;
  CAIRN_CHECK(run.finish(target, max_error, delta));
  return fits(run.stored_bytes() + encode(delta).size());
}

}  // namespace cairn
