// SPDX-License-Identifier: Apache-2.0
//
// The store's header: a small text file named "STORE" (docs/format/segment.md), so that
// whoever finds the folder can read what it is. No I/O here.
#pragma once

#include <string>

#include "cairn/digest.h"
#include "engine/base/bytes.h"
#include "engine/format/record.h"

namespace cairn {

// Fixed when the store is created; never rewritten.
struct StoreHeader {
  std::uint32_t format_version = kFormatVersion;
  StoreUuid uuid{};
  DigestKind digest = DigestKind::blake3;
  std::uint32_t block_bytes = 0;
  std::uint64_t segment_bytes = 0;
  friend bool operator==(const StoreHeader&, const StoreHeader&) = default;
};

std::string encode_store_header(const StoreHeader& header);

// ErrorCode::unsupported when a newer version of Cairn made the store: seen from the
// first line alone, before anything that version may have changed. Otherwise
// ErrorCode::corruption, naming what is wrong. Accepts exactly what encode writes.
Result<StoreHeader> decode_store_header(Bytes text);

}  // namespace cairn
