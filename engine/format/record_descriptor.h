// SPDX-License-Identifier: Apache-2.0
//
// The 72 bytes that describe a record, as they stand in groups and in tables.
#pragma once

#include "engine/format/record.h"

namespace cairn {

// Where a descriptor holds payload_offset, which only its group can check.
inline constexpr std::size_t kDescriptorPayloadOffset = 16;

// Writes RecordDescriptor::kSize bytes.
void store_descriptor(const RecordDescriptor& record, std::byte* to) noexcept;

// Decodes them. `structure` and `offset` say where they stand, for the error.
Result<RecordDescriptor> load_descriptor(const std::byte* from, std::string_view structure, std::uint64_t offset);

}  // namespace cairn
