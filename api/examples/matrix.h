// SPDX-License-Identifier: Apache-2.0
//
// The one matrix product that the example's model is made of: C = A B or C += A B, for any
// strides, so that a transpose is only another pair of strides. Panels of B are packed to
// lie side by side; the inner loop then keeps 4 x 16 sums in registers.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <vector>

namespace example {

// The compiler builds the product once for AVX with FMA and once for any x86-64, and the program
// takes what the processor has. Sanitizers do not survive the way that choice is linked.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define EXAMPLE_FOR_EACH_CPU __attribute__((target_clones("fma", "default"), optimize("O3")))
#else
#define EXAMPLE_FOR_EACH_CPU
#endif

// A matrix in someone else's memory: element (i, j) is data[i * row + j * column].
struct View {
  const float* data;
  std::size_t row;
  std::size_t column;
};

inline View rows(const float* data, std::size_t stride) { return {data, stride, 1}; }
inline View transposed(const float* data, std::size_t stride) { return {data, 1, stride}; }

enum class Into { overwrite, add };

// C is m x n with rows `c_row` apart, A is m x k, B is k x n; m is a multiple of 4, n of 16.
EXAMPLE_FOR_EACH_CPU
inline void multiply(std::size_t m, std::size_t n, std::size_t k, View a, View b, float* c, std::size_t c_row,
                     Into into) {
  constexpr std::size_t kRows = 4;
  constexpr std::size_t kColumns = 16;
  typedef float Lane __attribute__((vector_size(32), aligned(4)));
  assert(m % kRows == 0 && n % kColumns == 0);
  static thread_local std::vector<float> storage;
  storage.resize(k * kColumns);
  float* const panel = storage.data();
  for (std::size_t j = 0; j < n; j += kColumns) {
    for (std::size_t p = 0; p < k; ++p) {
      const float* from = b.data + p * b.row + j * b.column;
      for (std::size_t q = 0; q < kColumns; ++q) panel[p * kColumns + q] = from[q * b.column];
    }
    for (std::size_t i = 0; i < m; i += kRows) {
      const float* a0 = a.data + i * a.row;
      Lane sum[kRows][2] = {};
      for (std::size_t p = 0; p < k; ++p) {
        const Lane b0 = *reinterpret_cast<const Lane*>(panel + p * kColumns);
        const Lane b1 = *reinterpret_cast<const Lane*>(panel + p * kColumns + 8);
        for (std::size_t r = 0; r < kRows; ++r) {
          const float x = a0[r * a.row + p * a.column];
          sum[r][0] += x * b0;
          sum[r][1] += x * b1;
        }
      }
      for (std::size_t r = 0; r < kRows; ++r) {
        for (std::size_t half = 0; half < 2; ++half) {
          float* to = c + (i + r) * c_row + j + 8 * half;
          if (into == Into::add) {
            for (std::size_t q = 0; q < 8; ++q) to[q] += sum[r][half][q];
          } else {
            std::memcpy(to, &sum[r][half], sizeof(Lane));
          }
        }
      }
    }
  }
}

}  // namespace example
