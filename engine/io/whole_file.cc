// SPDX-License-Identifier: Apache-2.0
//
// Small files read and replaced as a whole.
#include "engine/base/errors.h"
#include "engine/io/file_system.h"

namespace cairn {
namespace {

Status write_synced(FileSystem& fs, const std::string& path, Bytes content) {
  CAIRN_TRY(const auto file, fs.open(path, {.write = true, .create = true, .truncate = true}));
  CAIRN_CHECK(file->write_at(0, content));
  return file->sync();
}

}  // namespace

std::string parent_of(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  const std::size_t slash = end == std::string::npos ? end : path.find_last_of('/', end);
  if (slash == std::string::npos) return ".";
  const std::size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

Status write_file_atomically(FileSystem& fs, const std::string& path, Bytes content) {
  const std::string fresh = path + ".tmp";
  Status written = write_synced(fs, fresh, content);
  // The rename must come after the sync: the name must never lead to bytes that a crash
  // can take away.
  if (written.ok()) written = fs.rename(fresh, path);
  if (!written.ok()) {
    // The first failure is the one to tell; what is left over is replaced the next time.
    static_cast<void>(fs.remove_file(fresh));
    return written;
  }
  return fs.sync_directory(parent_of(path));
}

Result<std::vector<std::byte>> read_file(FileSystem& fs, const std::string& path, std::uint64_t max_bytes) {
  CAIRN_TRY(const auto file, fs.open(path, {}));
  CAIRN_TRY(const std::uint64_t size, file->size());
  if (size > max_bytes) {
    return make_error(ErrorCode::resource_exhausted, path + " holds " + std::to_string(size) +
                                                         " bytes, more than the " + std::to_string(max_bytes) +
                                                         " that were expected at most");
  }
  std::vector<std::byte> content(size);
  CAIRN_TRY(const std::size_t got, file->read_at(0, content));
  content.resize(got);
  return content;
}

}  // namespace cairn
