// SPDX-License-Identifier: Apache-2.0
//
// How fast one core encodes and decodes blocks of 1 MiB, and how small they become.
//
//   build/release/bench/codec_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//   CAIRN_BENCH_FILE=weights.bin CAIRN_BENCH_DTYPE=bf16 build/release/bench/codec_bench   (a file's content as well)
//
// The estimate. Cutting bf16 into planes and joining them reads and writes each byte once
// beside a memory copy: at 10 GB/s, 0.1 ns per byte. Coding concerns every second byte, at
// an instruction or two for each symbol: 0.5 ns per exponent, 0.25 ns per byte. So 2 to 3 GB/s of
// bf16 in either direction, and no more than memcpy. The entropy of the exponents of
// normally distributed weights is about 2.6 bits: (8 + 2.6) / 16 = 0.66 of raw.
//
// Held constant: block size, one thread, the content (generated from fixed seeds, four
// blocks in turn, so that they come from the outer caches). Bytes per second count the
// logical bytes; compare with the memcpy, lz4 and zstd rows of the same run. `ratio` is
// encoded size by logical size.
#include <benchmark/benchmark.h>
#include <lz4.h>
#include <zstd.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "bench/random.h"
#include "engine/codec/block_codec.h"
#include "engine/codec/huffman.h"

namespace {

using cairn::DType;
using cairn::bench::Random;

constexpr std::size_t kBlockBytes = cairn::MiB;
constexpr std::size_t kBlocks = 4;
using Content = std::vector<std::byte>;

// IEEE binary16 of x, for the small normal numbers that weights are; mantissa cut, not rounded.
std::uint16_t half(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const int exponent = static_cast<int>(bits >> 23 & 255) - 112;
  if (exponent <= 0) return static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | static_cast<unsigned>(exponent) << 10 |
                                    (bits >> 13 & 1023));
}

// Rows of 4096 weights, normally distributed, each with a scale of its own.
template <class Store>
Content weights(std::size_t element_bytes, Store&& store) {
  Random random{42};
  Content content(kBlocks * kBlockBytes);
  double sigma = 0;
  for (std::size_t i = 0; i < content.size() / element_bytes; ++i) {
    if (i % 4096 == 0) sigma = 0.02 * std::exp2(0.5 * random.normal());
    store(content.data() + i * element_bytes, sigma * random.normal());
  }
  return content;
}

template <class T>
void put(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof(value));
}

Content text() {
  static constexpr const char* kWords[] = {
      "the ",        "license ", "of ",         "work ",   "and ",     "copyright ",  "holder ",   "to ",
      "distribute ", "any ",     "derivative ", "terms, ", "without ", "warranty.\n", "software ", "you "};
  Random random{7};
  std::string words;
  while (words.size() < kBlocks * kBlockBytes) {
    words += kWords[random.next() % 16];
    if (random.next() % 4 == 0) words += std::to_string(random.next() % 10000) + " ";
  }
  const auto bytes = std::as_bytes(std::span(words)).first(kBlocks * kBlockBytes);
  return {bytes.begin(), bytes.end()};
}

struct Input {
  std::string name;
  DType dtype;
  Content content;

  cairn::Bytes block(std::size_t i) const {
    return cairn::Bytes(content).subspan(i % (content.size() / kBlockBytes) * kBlockBytes, kBlockBytes);
  }
};

std::vector<Input> make_inputs() {
  std::vector<Input> inputs;
  inputs.push_back({"bf16", DType::bf16, weights(2, [](std::byte* to, double x) {
                      put(to, static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(x)) >> 16));
                    })});
  inputs.push_back(
      {"f16", DType::f16, weights(2, [](std::byte* to, double x) { put(to, half(static_cast<float>(x))); })});
  inputs.push_back({"f32", DType::f32, weights(4, [](std::byte* to, double x) { put(to, static_cast<float>(x)); })});
  inputs.push_back({"f64", DType::f64, weights(8, [](std::byte* to, double x) { put(to, x); })});
  inputs.push_back({"f8_e5m2", DType::f8_e5m2, weights(1, [](std::byte* to, double x) {
                      put(to, static_cast<std::uint8_t>(half(static_cast<float>(x)) >> 8));
                    })});
  inputs.push_back({"f8_e4m3", DType::f8_e4m3, weights(1, [](std::byte* to, double x) {
                      // Scaled so that the largest fit; 1 + 4 + 3 bits of a half with its bias moved by 8.
                      const std::uint16_t bits = half(static_cast<float>(x * 64));
                      const int exponent = (bits >> 10 & 31) - 8;
                      put(to, static_cast<std::uint8_t>(
                                  exponent <= 0 ? 0 : (bits >> 8 & 128) | (exponent & 15) << 3 | (bits >> 7 & 7)));
                    })});
  Random random{3};
  Content noise(kBlocks * kBlockBytes);
  for (std::size_t i = 0; i < noise.size(); i += 8) put(noise.data() + i, random.next());
  inputs.push_back({"random", DType::opaque, noise});
  inputs.push_back({"random_bf16", DType::bf16, noise});
  inputs.push_back({"text", DType::opaque, text()});
  inputs.push_back({"zero", DType::bf16, Content(kBlocks * kBlockBytes)});
  if (const char* path = std::getenv("CAIRN_BENCH_FILE"); path != nullptr) {
    std::ifstream in(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const char* const name = std::getenv("CAIRN_BENCH_DTYPE");
    auto dtype = cairn::parse_dtype(name != nullptr ? name : "opaque");
    if (bytes.size() >= kBlockBytes && dtype.ok()) {
      const auto content = std::as_bytes(std::span(bytes));
      inputs.push_back({"file", *dtype, {content.begin(), content.end()}});
    }
  }
  return inputs;
}

void report(benchmark::State& state, std::uint64_t encoded, std::uint64_t logical) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kBlockBytes));
  if (logical != 0) state.counters["ratio"] = static_cast<double>(encoded) / static_cast<double>(logical);
}

void copy(benchmark::State& state, const Input& input) {
  Content to(kBlockBytes);
  std::size_t i = 0;
  for (auto _ : state) {
    std::memcpy(to.data(), input.block(i++).data(), kBlockBytes);
    benchmark::ClobberMemory();
  }
  report(state, 1, 1);
}

void encode(benchmark::State& state, const Input& input, cairn::EncodeOptions options) {
  cairn::BlockEncoder encoder;
  std::uint64_t encoded = 0, logical = 0;
  std::size_t i = 0;
  for (auto _ : state) {
    const cairn::Encoded block = encoder.encode(input.block(i++), input.dtype, options);
    benchmark::DoNotOptimize(block.payload.data());
    encoded += block.payload.size();
    logical += kBlockBytes;
  }
  report(state, encoded, logical);
}

void decode(benchmark::State& state, const Input& input, cairn::EncodeOptions options) {
  cairn::BlockEncoder encoder;
  cairn::BlockDecoder decoder;
  std::vector<std::pair<cairn::CodecId, Content>> blocks;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const cairn::Encoded block = encoder.encode(input.block(i), input.dtype, options);
    blocks.push_back({block.codec, {block.payload.begin(), block.payload.end()}});
  }
  Content into(kBlockBytes);
  std::size_t i = 0;
  std::uint64_t encoded = 0, logical = 0;
  for (auto _ : state) {
    const auto& [codec, payload] = blocks[i++ % kBlocks];
    if (!decoder.decode(codec, payload, into).ok()) state.SkipWithError("a block does not decode");
    benchmark::ClobberMemory();
    encoded += payload.size();
    logical += kBlockBytes;
  }
  report(state, encoded, logical);
}

// The entropy coder alone, on the exponents of the bf16 weights.
Content exponents(const Input& bf16) {
  Content plane;
  for (std::size_t i = 0; i + 1 < 2 * kBlockBytes; i += 2) {
    plane.push_back(bf16.content[i + 1] << 1 | bf16.content[i] >> 7);
  }
  return plane;
}

void huffman_encode(benchmark::State& state, const Input& bf16) {
  const Content plane = exponents(bf16);
  Content out(cairn::huffman_bound(plane.size()));
  std::size_t size = 0;
  for (auto _ : state) {
    cairn::HuffmanCode code;
    code.length = cairn::huffman_lengths(cairn::count_for_code(plane, cairn::simd_level()));
    cairn::assign_canonical(code);
    size = cairn::huffman_encode(plane, code, out.data(), cairn::simd_level());
    benchmark::ClobberMemory();
  }
  report(state, size, plane.size());
}

void huffman_decode(benchmark::State& state, const Input& bf16) {
  const Content plane = exponents(bf16);
  Content out(cairn::huffman_bound(plane.size())), into(plane.size());
  cairn::HuffmanCode code;
  code.length = cairn::huffman_lengths(cairn::count_for_code(plane, cairn::simd_level()));
  cairn::assign_canonical(code);
  const std::size_t size = cairn::huffman_encode(plane, code, out.data(), cairn::simd_level());
  cairn::HuffmanDecoder decoder;
  for (auto _ : state) {
    if (!decoder.decode(cairn::Bytes(out).first(size), into, cairn::simd_level()))
      state.SkipWithError("a plane does not decode");
    benchmark::ClobberMemory();
  }
  report(state, size, plane.size());
}

const bool registered = [] {
  using cairn::CodecChoice;
  static const std::vector<Input> inputs = make_inputs();
  benchmark::RegisterBenchmark("huffman_encode/exponents", huffman_encode, std::cref(inputs[0]));
  benchmark::RegisterBenchmark("huffman_decode/exponents", huffman_decode, std::cref(inputs[0]));
  for (const Input& input : inputs) {
    benchmark::RegisterBenchmark(("memcpy/" + input.name).c_str(), copy, std::cref(input));
    const std::pair<const char*, cairn::EncodeOptions> choices[] = {
        {"automatic", {}},
        {"lz4", {CodecChoice::lz4, 3}},
        {"zstd-1", {CodecChoice::zstd, 1}},
        {"zstd-3", {CodecChoice::zstd, 3}},
    };
    for (const auto& [name, options] : choices) {
      benchmark::RegisterBenchmark((std::string("encode/") + name + "/" + input.name).c_str(), encode, std::cref(input),
                                   options);
      benchmark::RegisterBenchmark((std::string("decode/") + name + "/" + input.name).c_str(), decode, std::cref(input),
                                   options);
    }
  }
  return true;
}();

}  // namespace
