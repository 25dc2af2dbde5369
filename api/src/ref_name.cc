// SPDX-License-Identifier: Apache-2.0
#include "api/src/ref_name.h"

#include <charconv>

#include "api/src/read_through.h"
#include "engine/base/errors.h"

namespace cairn {

Result<RefName> parse_ref_name(const std::string& text) {
  const std::size_t at = text.rfind('@');
  RefName parsed{.name = text.substr(0, at), .version = std::nullopt};
  CAIRN_CHECK(check_ref_name(parsed.name));
  if (at == std::string::npos) return parsed;
  std::uint64_t version = 0;
  const char* end = text.data() + text.size();
  const auto number = std::from_chars(text.data() + at + 1, end, version);
  if (number.ec != std::errc() || number.ptr != end) {
    return make_error(ErrorCode::invalid_argument, "'" + printable(text) + "': a version is a number");
  }
  parsed.version = version;
  return parsed;
}

Result<RefRecord> resolve_ref(StoreImpl& store, const std::string& text) {
  CAIRN_CHECK(store.follow());
  CAIRN_TRY(const RefName wanted, parse_ref_name(text));
  CAIRN_TRY(auto ref, wanted.version ? store.index().find_ref(wanted.name, *wanted.version)
                                     : store.index().latest_ref(wanted.name));
  if (ref) return *std::move(ref);
  CAIRN_TRY(const auto latest, store.index().latest_ref(wanted.name));
  if (!latest) return make_error(ErrorCode::not_found, "no name '" + printable(wanted.name) + "' in the store");
  return make_error(ErrorCode::not_found, "'" + printable(wanted.name) + "' has no version " +
                                              std::to_string(*wanted.version) + "; its latest is " +
                                              std::to_string(latest->version));
}

Result<RefRecord> find_ref(StoreImpl& store, const std::string& text) {
  auto here = resolve_ref(store, text);
  if (here.ok() || here.error().code != ErrorCode::not_found || store.read_through() == nullptr) return here;
  CAIRN_TRY(const bool came, store.read_through()->bring_name(text));
  return came ? resolve_ref(store, text) : here;
}

RefInfo to_info(const StoreImpl& store, const RefRecord& ref) {
  return {.name = ref.name,
          .version = ref.version,
          .snapshot = store.id_text(ref.snapshot),
          .created_ns = ref.created_ns,
          .logical_bytes = ref.logical_bytes,
          .tags = ref.tags};
}

Result<TreeManifest> load_ref_tree(StoreImpl& store, const RefRecord& ref) {
  CAIRN_TRY(const SnapshotManifest snapshot, load_snapshot(store.blocks(), ref.snapshot));
  return load_tree(store.blocks(), snapshot.tree);
}

}  // namespace cairn
