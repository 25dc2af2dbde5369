// SPDX-License-Identifier: Apache-2.0
//
// Hostile bytes of a mirror: a journal, an index, a pack's table, a note. What is decoded encodes to the same.
#include <algorithm>
#include <cstdlib>

#include "replication/journal.h"
#include "replication/pack_index.h"
#include "tests/support/toy_formats.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  const testing::ToyFormats formats(false);
  const mirror::Bytes bytes = std::as_bytes(std::span(data, size));
  const auto same = [&](const std::vector<std::byte>& again) {
    if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  };
  if (const auto journal = mirror::decode_journal(bytes, formats); journal.ok()) {
    same(mirror::encode_journal(*journal, formats));
  }
  if (const auto packs = mirror::decode_index(bytes); packs.ok()) {
    const std::vector<std::byte> plain = mirror::encode_index(*packs);
    same(mirror::encode_index(*packs, bytes.subspan(std::min(plain.size(), bytes.size()))));
  }
  if (const auto note = mirror::decode_note(bytes); note.ok()) {
    if (mirror::decode_note(mirror::encode_note(*note)).value() != *note) std::abort();
  }
  if (const auto records = mirror::read_pack_table(bytes); records.ok()) {
    for (const auto& record : *records) {
      if (std::uint64_t{record.offset} + record.stored_bytes > size) std::abort();
    }
  }
  return 0;
}
