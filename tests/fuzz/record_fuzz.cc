// SPDX-License-Identifier: Apache-2.0
//
// The log's structures as hostile bytes. The first byte selects the decoder. What a
// decoder accepts must encode to the same bytes; anything else is a bug.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "engine/base/aligned_buffer.h"
#include "engine/base/endian.h"
#include "engine/content/digester.h"
#include "engine/format/record.h"
#include "engine/format/store_header.h"

namespace cairn {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool equal(Bytes a, Bytes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

void fuzz_segment_header(Bytes bytes) {
  const auto header = decode_segment_header(bytes);
  if (!header.ok()) return;
  std::vector<std::byte> page(kPageBytes);
  encode_segment_header(*header, page);
  require(equal(page, bytes.first(kPageBytes)));
}

void fuzz_group_head(Bytes bytes) {
  const auto peeked = peek_group_header(bytes);
  const auto head = decode_group_head(bytes);
  if (!head.ok()) return;
  require(peeked.ok() && peeked->head_bytes() == bytes.size());
  std::uint64_t at = head->header.offset + head->header.head_bytes();
  for (const RecordDescriptor& record : head->records) {
    require(record.payload_offset >= at);
    at = record.payload_offset + record.stored_bytes;
  }
  require(at <= head->header.offset + head->header.total_bytes());
  std::vector<std::byte> again(head->header.head_bytes());
  encode_group_head(head->header, head->records, again);
  require(equal(again, bytes));
}

void fuzz_table(Bytes bytes) {
  const auto records = decode_table(bytes);
  if (!records.ok()) return;
  std::vector<std::byte> again;
  for (const RecordDescriptor& record : *records) append_table_entry(again, record);
  require(equal(again, bytes));
}

void fuzz_segment_footer(Bytes bytes) {
  const auto footer = decode_segment_footer(bytes);
  if (!footer.ok()) return;
  std::vector<std::byte> page(kPageBytes);
  encode_segment_footer(*footer, page);
  require(equal(page, bytes.first(kPageBytes)));
}

void fuzz_store_header(Bytes bytes) {
  const auto header = decode_store_header(bytes);
  if (header.ok()) require(encode_store_header(*header) == as_text(bytes));
}

// No fuzzer guesses a checksum: this writes the right one, so that the rules behind it
// are reached.
std::vector<std::byte> sealed(Bytes bytes) {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  if (copy.size() >= 16) store_le(copy.data() + 8, checksum_of(Bytes(copy).subspan(16)));
  return copy;
}

}  // namespace
}  // namespace cairn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  if (size == 0) return 0;
  const Bytes bytes = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0]) {
    case 0: fuzz_segment_header(bytes); break;
    case 1: fuzz_group_head(bytes); break;
    case 2: fuzz_table(bytes); break;
    case 3: fuzz_segment_footer(bytes); break;
    case 4: fuzz_store_header(bytes); break;
    case 5: fuzz_segment_header(sealed(bytes)); break;
    case 6: fuzz_group_head(sealed(bytes)); break;
    case 7: fuzz_segment_footer(sealed(bytes)); break;
    default: break;
  }
  return 0;
}
