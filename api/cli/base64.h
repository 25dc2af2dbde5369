// SPDX-License-Identifier: Apache-2.0
//
// Bytes as text and back: base64 (RFC 4648, section 4), with its padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn::cli {

std::string base64_of(std::string_view bytes);
// Nothing unless `text` is what base64_of() writes: whole groups of four, padded, nothing between them, and no bit set
// that stands for nothing.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace cairn::cli
