// SPDX-License-Identifier: Apache-2.0
#include "engine/index/guard.h"

#include <algorithm>

#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/content/digester.h"

namespace cairn {
namespace {

constexpr std::string_view kMagic = "CAIRNIDX";
constexpr std::uint32_t kVersion = 1;

std::string in_folder(const std::string& folder, std::string_view name) { return folder + "/" + std::string(name); }

Error damaged(const std::string& path, std::string_view what) {
  return make_error(ErrorCode::corruption, "index: " + path + " " + std::string(what));
}

Error bad_guard(std::string_view field, std::size_t offset) {
  return make_error(ErrorCode::corruption,
                    "index: the guard's " + std::string(field) + " is wrong at offset " + std::to_string(offset));
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\0", 2)) == name.npos;
}

// Reads exactly `into` from `offset`, or says that the file is too short.
Status read_exactly(File& file, const std::string& path, std::uint64_t offset, MutableBytes into) {
  CAIRN_TRY(const auto count, file.read_at(offset, into));
  if (count != into.size()) return damaged(path, "is shorter than at the last checkpoint");
  return {};
}

Result<std::uint64_t> tail_checksum(File& file, const std::string& path, std::uint64_t size) {
  const std::uint64_t count = std::min(size, kTableTailBytes);
  std::vector<std::byte> tail(count);
  CAIRN_CHECK(read_exactly(file, path, size - count, tail));
  return checksum_of(tail);
}

// A file that a guard lists must be there.
Result<std::unique_ptr<File>> open_listed(FileSystem& fs, const std::string& path) {
  auto file = fs.open(path, {});
  if (!file.ok() && file.error().code == ErrorCode::not_found) return damaged(path, "is missing");
  return file;
}

}  // namespace

bool is_table(std::string_view name) noexcept { return name.ends_with(".sst"); }

bool Guard::lists(std::string_view name) const noexcept {
  return std::any_of(files.begin(), files.end(), [&](const GuardedFile& file) { return file.name == name; });
}

std::vector<std::byte> encode(const Guard& guard) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.put_bytes(as_bytes(kMagic));
  out.put(kVersion);
  out.put(guard.applied.segment);
  out.put(guard.applied.offset);
  out.put_string(guard.manifest);
  out.put(static_cast<std::uint32_t>(guard.files.size()));
  for (const GuardedFile& file : guard.files) {
    out.put_string(file.name);
    out.put(file.size);
    out.put(file.checksum);
  }
  out.put(checksum_of(bytes));
  return bytes;
}

Result<Guard> decode_guard(Bytes bytes) {
  constexpr std::size_t kHead = kMagic.size() + sizeof(kVersion);
  if (bytes.size() < kHead + sizeof(std::uint64_t)) return bad_guard("length", bytes.size());
  const std::size_t body = bytes.size() - sizeof(std::uint64_t);
  if (load_le<std::uint64_t>(bytes.data() + body) != checksum_of(bytes.first(body))) return bad_guard("checksum", body);

  ByteReader in(bytes.first(body));
  if (as_text(*in.get_bytes(kMagic.size())) != kMagic) return bad_guard("magic", 0);
  const auto version = *in.get<std::uint32_t>();
  if (version > kVersion) {
    return make_error(ErrorCode::unsupported,
                      "index: written by a newer version of Cairn (guard version " + std::to_string(version) + ")");
  }
  Guard guard;
  const auto segment = in.get<std::uint32_t>();
  const auto offset = in.get<std::uint64_t>();
  const auto manifest = in.get_string();
  const auto count = in.get<std::uint32_t>();
  if (!count || version != kVersion) return bad_guard("head", in.offset());
  guard.applied = {*segment, *offset};
  guard.manifest = *manifest;
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto name = in.get_string();
    const auto size = in.get<std::uint64_t>();
    const auto checksum = in.get<std::uint64_t>();
    if (!checksum || !is_plain_name(*name)) return bad_guard("list of files", in.offset());
    guard.files.push_back({std::string(*name), *size, *checksum});
  }
  if (!in.exhausted()) return bad_guard("end", in.offset());
  if (!guard.nothing_durable() && !guard.lists(guard.manifest)) return bad_guard("manifest", kHead);
  return guard;
}

Result<std::optional<Guard>> read_guard(FileSystem& fs, const std::string& folder) {
  const std::string path = in_folder(folder, kGuardName);
  auto bytes = read_file(fs, path, kSmallFileBytesMax);
  if (bytes.ok()) {
    auto guard = decode_guard(*bytes);
    if (!guard.ok()) return std::move(guard).error().with_context(path);
    return std::optional(std::move(*guard));
  }
  if (bytes.error().code == ErrorCode::resource_exhausted) return damaged(path, "is longer than any guard");
  if (bytes.error().code != ErrorCode::not_found) return std::move(bytes).error();
  const auto names = fs.list_directory(folder);
  if (!names.ok()) {
    if (names.error().code == ErrorCode::not_found) return std::optional<Guard>();
    return names.error();
  }
  // A crash while the first guard was written leaves at most the temporary file.
  for (const std::string& name : *names) {
    if (name != std::string(kGuardName) + ".tmp") return damaged(path, "is missing");
  }
  return std::optional<Guard>();
}

Status write_guard(FileSystem& fs, const std::string& folder, const Guard& guard) {
  return write_file_atomically(fs, in_folder(folder, kGuardName), encode(guard));
}

Result<GuardedFile> describe_table(FileSystem& fs, const std::string& folder, const std::string& name) {
  const std::string path = in_folder(folder, name);
  CAIRN_TRY(const auto file, open_listed(fs, path));
  CAIRN_TRY(const auto size, file->size());
  CAIRN_TRY(const auto checksum, tail_checksum(*file, path, size));
  return GuardedFile{name, size, checksum};
}

Result<GuardedFile> describe_prefix(FileSystem& fs, const std::string& folder, const std::string& name,
                                    std::uint64_t size) {
  const std::string path = in_folder(folder, name);
  if (size > kSmallFileBytesMax) return make_error(ErrorCode::resource_exhausted, "index: " + path + " is too large");
  CAIRN_TRY(const auto file, open_listed(fs, path));
  std::vector<std::byte> content(size);
  CAIRN_CHECK(read_exactly(*file, path, 0, content));
  return GuardedFile{name, size, checksum_of(content)};
}

Result<CheckedFiles> check_files(FileSystem& fs, const std::string& folder, const Guard& guard) {
  CheckedFiles checked;
  for (const GuardedFile& listed : guard.files) {
    const std::string path = in_folder(folder, listed.name);
    CAIRN_TRY(std::shared_ptr<File> file, open_listed(fs, path));
    CAIRN_TRY(const auto size, file->size());
    if (size < listed.size) return damaged(path, "is shorter than at the last checkpoint");
    if (is_table(listed.name)) {
      if (size != listed.size) return damaged(path, "is longer than at the last checkpoint");
      CAIRN_TRY(const auto checksum, tail_checksum(*file, path, size));
      if (checksum != listed.checksum) return damaged(path, "is not as at the last checkpoint");
      checked.tables[listed.name] = {std::move(file), size};
      continue;
    }
    if (listed.size > kSmallFileBytesMax) return damaged(path, "is longer than any file of its kind");
    std::string content(listed.size, '\0');
    CAIRN_CHECK(read_exactly(*file, path, 0, std::as_writable_bytes(std::span(content))));
    if (checksum_of(as_bytes(content)) != listed.checksum) return damaged(path, "is not as at the last checkpoint");
    checked.contents[listed.name] = std::move(content);
  }
  // RocksDB learns from CURRENT which MANIFEST to read. The guard knows better: a crash
  // may have left CURRENT naming a MANIFEST that no checkpoint vouches for.
  if (!guard.nothing_durable()) checked.contents["CURRENT"] = guard.manifest + "\n";
  return checked;
}

Status remove_unlisted_files(FileSystem& fs, const std::string& folder, const Guard& guard) {
  CAIRN_TRY(const auto names, fs.list_directory(folder));
  for (const std::string& name : names) {
    if (name != kGuardName && !guard.lists(name)) CAIRN_CHECK(fs.remove_file(in_folder(folder, name)));
  }
  return {};
}

}  // namespace cairn
