// SPDX-License-Identifier: Apache-2.0
//
// What follows from a key-value store's walks, whatever holds the keys.
#include "engine/index/key_value_store.h"

namespace cairn {

Result<std::optional<KeyValue>> KeyValueStore::last_below(std::string_view prefix, std::string_view bound) {
  std::optional<KeyValue> last;
  const auto take = [&](std::string_view key, std::string_view value) -> Result<bool> {
    last = KeyValue{std::string(key), std::string(value)};
    return false;
  };
  CAIRN_CHECK(scan_below(prefix, bound, take));
  return last;
}

std::string end_of_prefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

std::string end_below(std::string_view prefix, std::string_view bound) {
  std::string end = end_of_prefix(prefix);
  if (!bound.empty() && (end.empty() || bound < end)) end = bound;
  return end;
}

}  // namespace cairn
