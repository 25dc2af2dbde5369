// SPDX-License-Identifier: Apache-2.0
#include "api/src/mirror_places.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/base/errors.h"
#include "engine/format/manifest.h"

namespace cairn {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::uint64_t kFileBytesMax = 64 * 1024;

std::string folder_in(const std::string& store) { return store + "/mirrors"; }
std::string folder_of(const StoreImpl& store) { return folder_in(store.layout().folder); }

}  // namespace

Status check_mirror_name(const std::string& name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const auto is_good = [&](char c) { return is_letter(c) || c == '-' || c == '_' || c == '.'; };
  // What is being written has that ending.
  const bool good_end = !name.ends_with(".tmp");
  if (!name.empty() && name.size() <= kNameBytesMax && is_letter(name[0]) && good_end &&
      std::ranges::all_of(name, is_good))
    return {};
  return make_error(ErrorCode::invalid_argument, "'" + printable(name.substr(0, kNameBytesMax)) +
                                                     "' is no name for a mirror: 1 to 64 letters, digits, '-', '_' and "
                                                     "'.', beginning with a letter or digit, and not ending in .tmp");
}

Status write_mirror_place(StoreImpl& store, const std::string& name, const MirrorPlace& place) {
  const nlohmann::json json{
      {"url", place.url}, {"endpoint", place.endpoint}, {"region", place.region}, {"ca_file", place.ca_file}};
  std::string text;
  try {
    text = json.dump(2) + "\n";
  } catch (const nlohmann::json::exception&) {
    return make_error(ErrorCode::invalid_argument, "a mirror's place is text in UTF-8");
  }
  const Status created = store.fs().create_directory(folder_of(store));
  if (!created.ok() && created.error().code != ErrorCode::already_exists) return created;
  CAIRN_CHECK(store.fs().sync_directory(store.layout().folder));
  return write_file_atomically(store.fs(), folder_of(store) + "/" + name, std::as_bytes(std::span(text)));
}

Result<std::optional<MirrorPlace>> read_mirror_place(StoreImpl& store, const std::string& name) {
  CAIRN_CHECK(check_mirror_name(name));
  const std::string path = folder_of(store) + "/" + name;
  const auto bytes = read_file(store.fs(), path, kFileBytesMax);
  if (!bytes.ok()) {
    if (bytes.error().code == ErrorCode::not_found) return std::optional<MirrorPlace>();
    return bytes.error();
  }
  const auto damaged = [&] { return make_error(ErrorCode::corruption, path + ": this is not a mirror's place"); };
  const auto json = nlohmann::json::parse(bytes->begin(), bytes->end(), nullptr, false);
  if (!json.is_object()) return damaged();
  MirrorPlace place;
  for (const auto& [field, into] : {std::pair("url", &place.url), std::pair("endpoint", &place.endpoint),
                                    std::pair("region", &place.region), std::pair("ca_file", &place.ca_file)}) {
    const auto value = json.find(field);
    if (value == json.end() || !value->is_string()) return damaged();
    *into = value->get<std::string>();
  }
  return std::optional(std::move(place));
}

Result<std::vector<MirrorInfo>> read_mirror_places(StoreImpl& store) {
  std::vector<MirrorInfo> mirrors;
  const auto names = store.fs().list_directory(folder_of(store));
  if (!names.ok()) {
    if (names.error().code == ErrorCode::not_found) return mirrors;
    return names.error();
  }
  for (const std::string& name : *names) {
    // A file that was being written when the power went.
    if (!check_mirror_name(name).ok()) continue;
    CAIRN_TRY(auto place, read_mirror_place(store, name));
    if (place) mirrors.push_back({.name = name, .place = *std::move(place)});
  }
  return mirrors;
}

Status destroy_mirror_places(FileSystem& fs, const std::string& folder) {
  const auto names = fs.list_directory(folder_in(folder));
  if (!names.ok()) return names.error().code == ErrorCode::not_found ? Status() : Status(names.error());
  for (const std::string& name : *names) CAIRN_CHECK(fs.remove_file(folder_in(folder) + "/" + name));
  return fs.remove_directory(folder_in(folder));
}

Result<bool> remove_mirror_place(StoreImpl& store, const std::string& name) {
  CAIRN_CHECK(check_mirror_name(name));
  const Status removed = store.fs().remove_file(folder_of(store) + "/" + name);
  if (!removed.ok() && removed.error().code == ErrorCode::not_found) return false;
  CAIRN_CHECK(removed);
  CAIRN_CHECK(store.fs().sync_directory(folder_of(store)));
  return true;
}

}  // namespace cairn
