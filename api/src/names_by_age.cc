// SPDX-License-Identifier: Apache-2.0
#include "api/src/names_by_age.h"

#include <algorithm>

namespace cairn {

Result<std::vector<RefRecord>> newest_by_age(StoreImpl& store) {
  struct Name {
    std::int64_t since_ns = 0;
    RefRecord newest;
  };
  std::vector<Name> names;
  const auto collect = [&](const RefRecord& ref) -> Status {
    if (names.empty() || names.back().newest.name != ref.name) names.push_back({ref.created_ns, {}});
    names.back().newest = ref;
    names.back().newest.tags.clear();
    return {};
  };
  CAIRN_CHECK(store.index().for_each_ref(collect));
  std::ranges::stable_sort(names, {}, &Name::since_ns);
  std::vector<RefRecord> newest;
  newest.reserve(names.size());
  for (Name& name : names) newest.push_back(std::move(name.newest));
  return newest;
}

}  // namespace cairn
