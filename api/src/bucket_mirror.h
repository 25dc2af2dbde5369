// SPDX-License-Identifier: Apache-2.0
//
// A mirror in object storage: content, and what stores say of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/src/mirror_formats.h"
#include "api/src/opened_mirror.h"
#include "replication/throttled_storage.h"

namespace cairn {

class BucketMirror final : public OpenedMirror {
 public:
  BucketMirror(StoreImpl& store, MirrorInfo info, std::unique_ptr<ObjectStorage> storage);

  std::unique_ptr<mirror::Remote> remote(mirror::Source& source, const MirroringOptions& options) override;
  Result<MirrorStatus> status() override;
  Result<MirrorPullReport> pull(const std::vector<std::string>& refs, const std::string& from,
                                const Progress& progress) override;
  Result<MirrorVerifyReport> verify(bool read_data, const Progress& progress) override;
  Result<MirrorGcReport> gc(const MirrorGcOptions& options, const Progress& progress) override;
  Result<RepairReport> repair(const Progress& progress) override;

 private:
  // What the stores of the mirror say, and where this one's log ends there.
  Result<mirror::Cursor> add_stores(MirrorStatus& status);

  const MirrorFormats formats_;
  const std::unique_ptr<ObjectStorage> storage_;
  std::unique_ptr<ThrottledStorage> throttled_;  // null: no limit
};

// Mirrors::restore() from a place that is in object storage.
Result<MirrorPullReport> restore_from_bucket(const std::string& path, ObjectStorage& storage, const std::string& from,
                                             const Progress& progress);

}  // namespace cairn
