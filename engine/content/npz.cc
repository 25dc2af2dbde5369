// SPDX-License-Identifier: Apache-2.0
#include "engine/content/npz.h"

#include <algorithm>

#include "engine/content/npy.h"

namespace cairn {
namespace {

constexpr std::string_view kSuffix = ".npy";

bool is_array(const ZipEntry& entry) noexcept { return entry.name.ends_with(kSuffix); }

}  // namespace

bool is_npz(const ZipDirectory& directory) noexcept {
  return std::any_of(directory.entries.begin(), directory.entries.end(), is_array);
}

Result<ScanOutcome> scan_npz(const ByteSource& source, const ZipDirectory& directory, TensorCollector& tensors) {
  for (const ZipEntry& entry : directory.entries) {
    if (!is_array(entry)) continue;
    if (!entry.stored) {
      tensors.remark("array " + quoted(entry.name) + " is compressed");
      continue;
    }
    CAIRN_TRY(const auto data_at, locate_zip_entry(source, entry));
    if (!data_at) {
      tensors.remark("array " + quoted(entry.name) + " lies outside the file");
      continue;
    }
    std::string name = entry.name.substr(0, entry.name.size() - kSuffix.size());
    CAIRN_TRY(ScanOutcome outcome, scan_npy(source, *data_at, entry.bytes, std::move(name), tensors));
    if (!outcome.broken.empty()) tensors.remark("array " + quoted(entry.name) + ": " + outcome.broken);
    if (tensors.exhausted()) return TensorCollector::over_budget();
  }
  return ScanOutcome::parsed();
}

}  // namespace cairn
