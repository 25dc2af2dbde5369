// SPDX-License-Identifier: Apache-2.0
#include "engine/log/segment_files.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace cairn {
namespace {

constexpr std::string_view kSuffix = ".seg";
constexpr std::size_t kDigits = 8;

}  // namespace

std::string segment_path(const std::string& folder, std::uint32_t segment) {
  const std::string number = std::to_string(segment);
  return folder + "/" + std::string(number.size() < kDigits ? kDigits - number.size() : 0, '0') + number +
         std::string(kSuffix);
}

Result<std::vector<std::uint32_t>> list_segments(FileSystem& fs, const std::string& folder) {
  CAIRN_TRY(const std::vector<std::string> names, fs.list_directory(folder));
  std::vector<std::uint32_t> segments;
  for (const std::string& name : names) {
    if (!name.ends_with(kSuffix) || name.size() < kDigits + kSuffix.size()) continue;
    const char* end = name.data() + name.size() - kSuffix.size();
    std::uint32_t segment = 0;
    const auto parsed = std::from_chars(name.data(), end, segment);
    if (parsed.ec == std::errc() && parsed.ptr == end && segment > 0) segments.push_back(segment);
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

}  // namespace cairn
