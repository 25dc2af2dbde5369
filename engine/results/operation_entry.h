// SPDX-License-Identifier: Apache-2.0
//
// Key and value of the entry that an operation is (docs/format/entries.md, Operations).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/operations.h"

namespace cairn {

inline constexpr std::size_t kOperationKeyBytesMax = 2048;
inline constexpr std::size_t kOperationBytesMax = 1'000'000;  // of a value or a message
inline constexpr std::size_t kSerializerBytesMax = 256;

// Who claims: one opening of a store.
using OwnerId = std::array<std::uint64_t, 2>;

OwnerId random_owner_id();
std::string to_hex(const OwnerId& owner);

struct OperationRecord {
  OperationState state = OperationState::running;  // or done, or failed
  OwnerId owner{};
  std::uint64_t attempts = 0;
  std::int64_t claimed_ns = 0, finished_ns = 0;
  std::string serializer, bytes;  // of done
  std::string message;            // of failed
  friend bool operator==(const OperationRecord&, const OperationRecord&) = default;
};

std::string encode(const OperationRecord& record);
Result<OperationRecord> decode_operation(std::string_view value);
OperationInfo to_info(const std::string& key, const OperationRecord& record);

std::string operation_key(std::string_view key);
std::string operation_state_prefix(OperationState state);  // of the index
std::string operation_state_key(OperationState state, std::string_view key);

}  // namespace cairn
