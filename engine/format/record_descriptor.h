// SPDX-License-Identifier: Apache-2.0
//
// The 72 bytes that describe a record, as they stand in groups and in tables.
#pragma once

#include "engine/format/record.h"

namespace cairn {

// Writes RecordDescriptor::kSize bytes.
void store_descriptor(const RecordDescriptor& record, std::byte* to) noexcept;

// Decodes them. `structure` and `offset` say where they stand, for the error.
Result<RecordDescriptor> load_descriptor(const std::byte* from, std::string_view structure, std::uint64_t offset);

}  // namespace cairn
