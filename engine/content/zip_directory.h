// SPDX-License-Identifier: Apache-2.0
//
// The directory of a ZIP archive: where its stored entries' bytes lie. Nothing is inflated.
// Format: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 (structure) and 4.5.3 (Zip64).
#pragma once

#include "engine/content/tensor_collector.h"

namespace cairn {

struct ZipEntry {
  std::string name;
  std::uint64_t bytes = 0;      // in the archive
  std::uint64_t header_at = 0;  // of the local header, in the file
  bool stored = false;          // neither compressed nor encrypted
};

struct ZipDirectory {
  std::string broken;  // why it cannot be read; empty when it was
  std::vector<ZipEntry> entries;
};

bool looks_like_zip(Bytes head) noexcept;

// Reads the central directory, which is found from the file's end: a comment, trailing
// bytes up to 64 KiB and bytes in front of the archive are allowed. The memory of the
// result is claimed from `tensors`.
Result<ZipDirectory> read_zip_directory(const ByteSource& source, TensorCollector& tensors);

// Where a stored entry's bytes begin: behind its local header, whose length only it knows.
// Nothing when there is no local header, or the bytes are not all inside the file.
Result<std::optional<std::uint64_t>> locate_zip_entry(const ByteSource& source, const ZipEntry& entry);

}  // namespace cairn
