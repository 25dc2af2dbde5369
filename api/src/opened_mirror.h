// SPDX-License-Identifier: Apache-2.0
//
// A mirror that a call works on: one kind for each sort of place, chosen by the scheme of its URL where it is opened.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/src/result_read_through.h"
#include "api/src/store_impl.h"
#include "cairn/archive.h"
#include "cairn/mirrors.h"
#include "replication/journal.h"
#include "replication/object_storage.h"
#include "replication/remote.h"
#include "replication/source.h"

namespace cairn {

// Of one call, or of a mirror that is kept up to date. What a kind has no use for is ErrorCode::unsupported, in words
// that name the mirror. The rest is as in Mirrors.
class OpenedMirror {
 public:
  // Borrows the store, which stays open.
  OpenedMirror(StoreImpl& store, MirrorInfo info) : store_(store), info_(std::move(info)) {}
  virtual ~OpenedMirror() = default;
  OpenedMirror(const OpenedMirror&) = delete;
  OpenedMirror& operator=(const OpenedMirror&) = delete;

  // The way there, once; of the options how much at a time and how fast. Borrows this and the source.
  virtual std::unique_ptr<mirror::Remote> remote(mirror::Source& source, const MirroringOptions& options) = 0;
  virtual Result<MirrorStatus> status() = 0;
  virtual Result<MirrorPullReport> pull(const std::vector<std::string>& refs, const std::string& from,
                                        const Progress& progress) = 0;
  virtual Result<MirrorVerifyReport> verify(bool read_data, const Progress& progress) = 0;
  virtual Result<MirrorGcReport> gc(const MirrorGcOptions& options, const Progress& progress) = 0;
  virtual Result<RepairReport> repair(const Progress& progress) = 0;

 protected:
  // What the store says behind `from`, which is where the mirror ends.
  Status count_behind(mirror::Cursor from, MirrorStatus& status);

  StoreImpl& store_;
  const MirrorInfo info_;
};

// Whether this build can have a mirror there, and the place makes sense and keeps no password. Asks nothing.
Status check_mirror_place(const MirrorPlace& place);

// not_found: the store has no mirror of that name. Asks it nothing yet.
Result<std::unique_ptr<OpenedMirror>> open_mirror(StoreImpl& store, const std::string& name);

// For whoever needs content and nothing else. unsupported: a database has none.
Result<std::unique_ptr<ObjectStorage>> open_mirror_storage(const MirrorPlace& place);

// What a store is read through: the content of a bucket, or the results of a database.
struct MirrorReaders {
  std::unique_ptr<ObjectStorage> content;
  std::unique_ptr<ResultFinder> results;
};
Result<MirrorReaders> open_mirror_readers(const StoreImpl& store, const MirrorPlace& place);

// Of a store, as public calls are given it. Empty: none.
Result<std::optional<mirror::Uuid>> uuid_of(const std::string& text);

// The reports that the public calls give of what was pushed.
MirrorPushReport push_report_of(mirror::PushReport report);

}  // namespace cairn
