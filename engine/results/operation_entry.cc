// SPDX-License-Identifier: Apache-2.0
#include "engine/results/operation_entry.h"

#include <random>
#include <vector>

#include "engine/base/endian.h"
#include "engine/format/field_reader.h"
#include "engine/results/entry_key.h"

namespace cairn {
namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

std::string_view operation_state_name(OperationState state) noexcept {
  switch (state) {
    case OperationState::none: return "none";
    case OperationState::running: return "running";
    case OperationState::done: return "done";
    case OperationState::failed: return "failed";
    case OperationState::abandoned: return "abandoned";
  }
  return {};
}

OwnerId random_owner_id() {
  std::random_device random;
  OwnerId owner{};
  for (std::uint64_t& half : owner) half = static_cast<std::uint64_t>(random()) << 32 | random();
  return owner;
}

std::string to_hex(const OwnerId& owner) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const std::uint64_t half : owner) {
    for (int shift = 60; shift >= 0; shift -= 4) text += kHex[half >> shift & 15];
  }
  return text;
}

std::string encode(const OperationRecord& record) {
  std::vector<std::byte> out;
  out.reserve(64 + record.bytes.size() + record.message.size());
  ByteWriter writer(out);
  writer.put(kVersion);
  writer.put(static_cast<std::uint8_t>(record.state));
  for (const std::uint64_t half : record.owner) writer.put(half);
  writer.put(record.attempts);
  writer.put(static_cast<std::uint64_t>(record.claimed_ns));
  writer.put(static_cast<std::uint64_t>(record.finished_ns));
  if (record.state == OperationState::done) {
    writer.put_string(record.serializer);
    writer.put_string(record.bytes);
  }
  if (record.state == OperationState::failed) writer.put_string(record.message);
  return std::string(as_text(out));
}

Result<OperationRecord> decode_operation(std::string_view value) {
  FieldReader reader("operation", as_bytes(value));
  CAIRN_TRY(const auto version, reader.get<std::uint8_t>("version"));
  if (version > kVersion) return newer_version("operation", version, kVersion);
  if (version == 0) return reader.wrong("is 0");
  OperationRecord record;
  CAIRN_TRY(const auto state, reader.get<std::uint8_t>("state"));
  record.state = static_cast<OperationState>(state);
  if (record.state != OperationState::running && record.state != OperationState::done &&
      record.state != OperationState::failed) {
    return reader.wrong("is not running, done or failed");
  }
  for (std::uint64_t& half : record.owner) {
    CAIRN_TRY(half, reader.get<std::uint64_t>("owner"));
  }
  CAIRN_TRY(record.attempts, reader.get<std::uint64_t>("attempts"));
  CAIRN_TRY(record.claimed_ns, reader.get_signed("claimed_ns"));
  CAIRN_TRY(record.finished_ns, reader.get_signed("finished_ns"));
  if (record.state == OperationState::done) {
    CAIRN_TRY(record.serializer, reader.get_string("serializer"));
    CAIRN_TRY(record.bytes, reader.get_string("bytes"));
  }
  if (record.state == OperationState::failed) {
    CAIRN_TRY(record.message, reader.get_string("message"));
  }
  CAIRN_CHECK(reader.expect_end());
  return record;
}

OperationInfo to_info(const std::string& key, const OperationRecord& record) {
  return {.key = key,
          .state = record.state,
          .value = {.bytes = record.bytes, .serializer = record.serializer},
          .value_bytes = record.bytes.size(),
          .message = record.message,
          .owner = to_hex(record.owner),
          .attempts = record.attempts,
          .claimed_ns = record.claimed_ns,
          .finished_ns = record.finished_ns};
}

std::string operation_key(std::string_view key) { return EntryKey(EntrySpace::operations).rest(key).bytes(); }

std::string operation_state_prefix(OperationState state) {
  return EntryKey(EntrySpace::operations).number(static_cast<std::uint64_t>(state)).bytes();
}

std::string operation_state_key(OperationState state, std::string_view key) {
  return operation_state_prefix(state).append(key);
}

}  // namespace cairn
