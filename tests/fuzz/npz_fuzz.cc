// SPDX-License-Identifier: Apache-2.0
//
// parse_model_file() on files called arrays.npz.
#include "tests/fuzz/model_file_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return cairn::parse_and_check(data, size, "arrays.npz");
}
