// SPDX-License-Identifier: Apache-2.0
//
// How fast one core encodes blocks of 1 MiB as their difference from others, and decodes them, and
// how many bits an element takes; beside the exclusive or in byte planes with zstd-3 (BitX of
// ZipLLM, arXiv:2505.06252, restated), and the entropy coder alone.
//
//   build/release/bench/delta_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//   CAIRN_BENCH_FILE=new.bin CAIRN_BENCH_BASE=old.bin CAIRN_BENCH_DTYPE=bf16 build/release/bench/delta_bench
//
// The estimate. For each element: look at both, 2 cycles; count its token and divide a rANS state, 4;
// the other way a load from a table of 16 KiB and a multiplication, 2, and its low bits, 2. At 3.5 GHz and
// two bytes an element 1.2 GB/s in and 1.8 out, and twice that at four bytes.
//
// Held constant: block size, one thread, content from fixed seeds, four blocks in turn. Bytes per
// second count the logical bytes; compare with the memcpy row of the same run.
#include <benchmark/benchmark.h>
#include <zstd.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "bench/random.h"
#include "engine/codec/block_codec.h"
#include "engine/codec/byte_planes.h"
#include "engine/codec/rans.h"
#include "engine/codec/ulp.h"

namespace {

using cairn::Bytes;
using cairn::DType;
using cairn::bench::Random;

constexpr std::size_t kBlockBytes = cairn::MiB;
constexpr std::size_t kBlocks = 4;
using Content = std::vector<std::byte>;

struct Input {
  std::string name;
  DType dtype;
  Content content;
  std::vector<Content> bases;

  Bytes block(std::size_t i) const { return of(content, i); }
  std::vector<Bytes> bases_of(std::size_t i) const {
    std::vector<Bytes> found;
    for (const Content& base : bases) found.push_back(of(base, i));
    return found;
  }

 private:
  Bytes of(const Content& all, std::size_t i) const {
    return Bytes(all).subspan(i % (content.size() / kBlockBytes) * kBlockBytes, kBlockBytes);
  }
};

void put(Content& to, std::size_t i, DType dtype, double value) {
  auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  if (dtype == DType::f32) {
    std::memcpy(to.data() + 4 * i, &bits, 4);
    return;
  }
  bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  std::memcpy(to.data() + 2 * i, &bits, 2);
}

// Normally distributed weights, and the same after normally distributed steps.
Input stepped(std::string name, DType dtype, double step) {
  Random random{42};
  Input input{std::move(name), dtype, Content(kBlocks * kBlockBytes), {Content(kBlocks * kBlockBytes)}};
  for (std::size_t i = 0; i < kBlocks * kBlockBytes / (dtype == DType::f32 ? 4 : 2); ++i) {
    const double weight = 0.02 * random.normal();
    put(input.bases[0], i, dtype, weight);
    put(input.content, i, dtype, weight + step * random.normal());
  }
  return input;
}

// The weights of AdamW before its hundredth step, from those after it and both moments.
Input adam() {
  constexpr std::size_t kCount = kBlocks * kBlockBytes / 4;
  constexpr int kSteps = 100;
  Random random{7};
  std::vector<float> w(kCount), m(kCount), v(kCount), before;
  for (float& weight : w) weight = static_cast<float>(0.02 * random.normal());
  for (int t = 1; t <= kSteps; ++t) {
    if (t == kSteps) before = w;
    const auto step = static_cast<float>(1e-3 / (1 - std::pow(0.9, t)));
    const auto root = static_cast<float>(std::sqrt(1 - std::pow(0.999, t)));
    for (std::size_t i = 0; i < kCount; ++i) {
      const auto g = static_cast<float>(static_cast<double>(random.next() >> 11) * 0x1p-53 - 0.5);
      w[i] *= 1 - 1e-5F;
      m[i] += 0.1F * (g - m[i]);
      v[i] = v[i] * 0.999F + 0.001F * g * g;
      w[i] -= step * m[i] / (std::sqrt(v[i]) / root + 1e-8F);
    }
  }
  const auto content = [](const std::vector<float>& floats) {
    const Bytes bytes = std::as_bytes(std::span(floats));
    return Content(bytes.begin(), bytes.end());
  };
  return {"f32_adam", DType::f32, content(before), {content(w), content(m), content(v)}};
}

Content file(const char* path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const Bytes bytes = cairn::as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

std::vector<Input> make_inputs() {
  std::vector<Input> inputs{stepped("bf16_1e-4", DType::bf16, 1e-4), stepped("bf16_1e-5", DType::bf16, 1e-5),
                            stepped("f32_1e-5", DType::f32, 1e-5), adam()};
  const char* const path = std::getenv("CAIRN_BENCH_FILE");
  const char* const base = std::getenv("CAIRN_BENCH_BASE");
  const char* const name = std::getenv("CAIRN_BENCH_DTYPE");
  if (path == nullptr || base == nullptr) return inputs;
  Input input{"file", DType::opaque, file(path), {file(base)}};
  if (auto dtype = cairn::parse_dtype(name != nullptr ? name : "opaque"); dtype.ok()) input.dtype = *dtype;
  if (input.content.size() >= kBlockBytes && input.bases[0].size() >= input.content.size()) inputs.push_back(input);
  return inputs;
}

void report(benchmark::State& state, const Input& input, std::uint64_t encoded, std::uint64_t blocks) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kBlockBytes));
  const auto elements = static_cast<double>(blocks * kBlockBytes / cairn::element_layout(input.dtype).width);
  if (blocks != 0) state.counters["bits"] = 8 * static_cast<double>(encoded) / elements;
}

void copy(benchmark::State& state, const Input& input) {
  Content to(kBlockBytes);
  std::size_t i = 0;
  for (auto _ : state) {
    std::memcpy(to.data(), input.block(i++).data(), kBlockBytes);
    benchmark::ClobberMemory();
  }
  report(state, input, 0, 0);
}

void encode(benchmark::State& state, const Input& input) {
  cairn::BlockEncoder encoder;
  std::uint64_t encoded = 0, blocks = 0;
  for (auto _ : state) {
    const auto bases = input.bases_of(blocks);
    const cairn::Encoded block = encoder.encode_delta(input.block(blocks++), input.dtype, bases);
    benchmark::DoNotOptimize(block.payload.data());
    encoded += block.payload.size();
  }
  report(state, input, encoded, blocks);
}

void decode(benchmark::State& state, const Input& input) {
  cairn::BlockEncoder encoder;
  cairn::BlockDecoder decoder;
  std::vector<Content> payloads;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const cairn::Encoded block = encoder.encode_delta(input.block(i), input.dtype, input.bases_of(i));
    if (block.codec != cairn::CodecId::delta) return state.SkipWithError("no delta");
    payloads.emplace_back(block.payload.begin(), block.payload.end());
  }
  Content into(kBlockBytes);
  std::uint64_t encoded = 0, blocks = 0;
  for (auto _ : state) {
    const Content& payload = payloads[blocks % kBlocks];
    if (!decoder.decode(cairn::CodecId::delta, payload, into, input.bases_of(blocks++)).ok()) {
      return state.SkipWithError("a block does not decode");
    }
    benchmark::ClobberMemory();
    encoded += payload.size();
  }
  report(state, input, encoded, blocks);
}

// The exclusive or with the base, each plane of bytes a frame of its own.
struct BitX {
  Content difference = Content(kBlockBytes), planes = Content(kBlockBytes);
  std::vector<Content> frames;
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ~BitX() { ZSTD_freeCCtx(context); }

  std::size_t encode(Bytes content, Bytes base, unsigned width) {
    for (std::size_t i = 0; i < kBlockBytes; ++i) difference[i] = content[i] ^ base[i];
    const std::size_t count = kBlockBytes / width;
    cairn::Planes cut{};
    for (unsigned p = 0; p < width; ++p) cut[p] = planes.data() + p * count;
    cairn::split_planes(difference.data(), count, {width, 0}, cut, cairn::simd_level());
    frames.resize(width);
    std::size_t size = 0;
    for (unsigned p = 0; p < width; ++p) {
      frames[p].resize(ZSTD_compressBound(count));
      frames[p].resize(ZSTD_compressCCtx(context, frames[p].data(), frames[p].size(), cut[p], count, 3));
      size += frames[p].size();
    }
    return size;
  }
};

void bitx(benchmark::State& state, const Input& input) {
  BitX coder;
  std::uint64_t encoded = 0, blocks = 0;
  for (auto _ : state) {
    const unsigned width = cairn::element_layout(input.dtype).width;
    encoded += coder.encode(input.block(blocks), input.bases_of(blocks)[0], width);
    ++blocks;
  }
  report(state, input, encoded, blocks);
}

// The entropy coder alone: bytes per second are tokens per second.
struct Tokens {
  Content tokens, contexts;
  explicit Tokens(const Input& input) {
    const cairn::ElementLayout layout = cairn::element_layout(input.dtype);
    const std::size_t count = kBlockBytes / layout.width;
    tokens.resize(count), contexts.resize(count);
    Content low(cairn::low_bits_bound(count, layout.width));
    const Bytes base = input.bases_of(0)[0];
    cairn::split_differences(input.block(0).data(), base.data(), count, layout, tokens.data(), low.data(),
                             cairn::simd_level());
    cairn::exponent_contexts(base.data(), count, layout, 125, 16, contexts.data(), cairn::simd_level());
  }
};

void rans(benchmark::State& state, const Input& input, bool decoding) {
  const Tokens in(input);
  Content body(cairn::rans_bound(in.tokens.size())), into(in.tokens.size());
  cairn::RansEncoder encoder;
  cairn::RansDecoder decoder;
  const auto level = cairn::simd_level();
  std::size_t size = encoder.encode(in.tokens, in.contexts, 16, body.data(), level);
  for (auto _ : state) {
    if (!decoding) {
      size = encoder.encode(in.tokens, in.contexts, 16, body.data(), level);
    } else if (!decoder.decode(Bytes(body).first(size), in.contexts, 16, into, level)) {
      return state.SkipWithError("tokens do not decode");
    }
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * in.tokens.size()));
  state.counters["bits"] = 8 * static_cast<double>(size) / static_cast<double>(in.tokens.size());
}

const bool registered = [] {
  static const std::vector<Input> inputs = make_inputs();
  for (const Input& input : inputs) {
    benchmark::RegisterBenchmark(("memcpy/" + input.name).c_str(), copy, std::cref(input));
    benchmark::RegisterBenchmark(("encode/delta/" + input.name).c_str(), encode, std::cref(input));
    benchmark::RegisterBenchmark(("decode/delta/" + input.name).c_str(), decode, std::cref(input));
    benchmark::RegisterBenchmark(("encode/bitx_zstd-3/" + input.name).c_str(), bitx, std::cref(input));
    benchmark::RegisterBenchmark(("rans_encode/" + input.name).c_str(), rans, std::cref(input), false);
    benchmark::RegisterBenchmark(("rans_decode/" + input.name).c_str(), rans, std::cref(input), true);
  }
  return true;
}();

}  // namespace
