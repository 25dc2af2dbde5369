// SPDX-License-Identifier: Apache-2.0
//
// Globs over paths: '?' and '*' within a component, '**' across them, [a-z] and [!a-z].
#pragma once

#include <string_view>

namespace cairn {

// Whether `pattern` matches all of `path`. A pattern without '/' also matches the last
// component alone, as people mean by "*.safetensors". Time is bounded by the product of
// the lengths, whatever the pattern.
bool glob_match(std::string_view pattern, std::string_view path);

}  // namespace cairn
