// SPDX-License-Identifier: Apache-2.0
//
// Writes tensors in the safetensors format (github.com/huggingface/safetensors, "Format"):
// the header's length in 8 little-endian bytes, the header in JSON, then the tensors.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

namespace example {

enum class Dtype { f32, bf16 };

// Rounds to the nearest bf16, ties to even: the upper half of a float's bits. NaN stays NaN.
inline std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(std::size_t step) {
    header_ = R"({"__metadata__":{"format":"pt","step":")" + std::to_string(step) + R"("})";
  }

  void add(const std::string& name, const std::vector<std::size_t>& shape, const float* values, std::size_t count,
           Dtype dtype) {
    const std::size_t begin = data_.size();
    if constexpr (std::endian::native != std::endian::little) {
      std::fprintf(stderr, "this example writes checkpoints on little-endian machines only\n");
      std::abort();
    }
    if (dtype == Dtype::f32) {
      const auto* bytes = reinterpret_cast<const char*>(values);
      data_.append(bytes, count * sizeof(float));
    } else {
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint16_t half = to_bf16(values[i]);
        data_.push_back(static_cast<char>(half & 0xFF));
        data_.push_back(static_cast<char>(half >> 8));
      }
    }
    header_ += ",\"" + name + R"(":{"dtype":")" + (dtype == Dtype::f32 ? "F32" : "BF16") + R"(","shape":[)";
    for (std::size_t i = 0; i < shape.size(); ++i) header_ += (i ? "," : "") + std::to_string(shape[i]);
    header_ += R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(data_.size()) + "]}";
  }

  // False when the file could not be written in full; errno says why.
  bool write(const std::string& path) const {
    std::string header = header_ + "}";
    header.append((8 - header.size() % 8) % 8, ' ');  // so that the tensors start aligned
    std::string length(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> 8 * i & 0xFF);
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return false;
    bool good = true;
    for (const std::string* part : std::initializer_list<const std::string*>{&length, &header, &data_}) {
      good = good && std::fwrite(part->data(), 1, part->size(), file) == part->size();
    }
    return std::fclose(file) == 0 && good;
  }

 private:
  std::string header_;
  std::string data_;
};

}  // namespace example
