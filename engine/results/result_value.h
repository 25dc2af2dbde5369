// SPDX-License-Identifier: Apache-2.0
//
// The envelope of a result: what an entry's value says about the bytes in it
// (docs/format/entries.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/results.h"

namespace cairn {

struct ResultEnvelope {
  ResultValue value;
  std::string experiment;
  std::int64_t created_ns = 0;         // wall clock; for people
  std::uint64_t expires_store_ns = 0;  // by the store's clock; 0: never
  std::uint64_t cost_ns = 0;           // of computing it; 0: it is never evicted
  double eviction_clock = 0;           // when it was put (result_eviction.h); of one that has a cost
  // Of a value that is content of its entry, and not in the envelope: `value` is then without its bytes. 0: it is
  // there.
  std::uint64_t content_bytes = 0;
};

std::string encode(const ResultEnvelope& envelope);
// Hostile bytes: ErrorCode::corruption with the field and offset, or unsupported.
Result<ResultEnvelope> decode_result(std::string_view bytes);

// Whether `text` is one JSON value (RFC 8259) and nothing else.
bool is_json(std::string_view text);

}  // namespace cairn
