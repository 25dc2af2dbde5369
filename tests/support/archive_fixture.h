// SPDX-License-Identifier: Apache-2.0
//
// The verbs of tests about whole stores: make inputs, add them, read them back, compare.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "api/src/store_impl.h"
#include "cairn/store.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {

// A store small enough that a few hundred KiB fill several segments.
inline constexpr CreateOptions kSmallStore{
    .digest = DigestKind::blake3, .block_bytes = 64 * 1024, .segment_bytes = 16 * 64 * 1024};

// bf16 weights drawn from a normal distribution: compressible as floats are.
std::string bf16_weights(std::size_t count, std::uint64_t seed);
std::string random_bytes(std::size_t count, std::uint64_t seed);
// A safetensors file of bf16 tensors, by name.
std::string safetensors_of(const std::map<std::string, std::string>& tensors);

void write_file(const std::string& path, const std::string& content);
std::string read_file(const std::string& path);

// The content of every file of name@version, by path, as the store gives it back.
Result<std::map<std::string, std::string>> read_version(Store& store, const std::string& ref);

// Opens, and fails the test when that fails.
Store open_store(FileSystem& fs, const std::string& path, Access access = Access::read_write);

// check() with all data read finds nothing.
void expect_whole(Store& store);

}  // namespace cairn::testing
