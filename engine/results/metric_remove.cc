// SPDX-License-Identifier: Apache-2.0
//
// Takes a run of metrics out of the table of entries.
#include <algorithm>

#include "engine/base/errors.h"
#include "engine/results/metric_blocks.h"

namespace cairn {
namespace {

// Of one write: most runs have fewer blocks, and go at once.
constexpr std::size_t kBlocksOfWrite = 4096;

}  // namespace

Result<std::uint64_t> remove_metric_run(EntryStore& store, std::string_view run) {
  std::vector<EntryChange> blocks;
  std::uint64_t rows = 0;
  const auto visit = [&](std::string_view key, const Entry& entry) -> Result<bool> {
    blocks.push_back({.key = std::string(key), .removed = true});
    blocks.back().if_version = entry.version;
    // One that is damaged goes with the others.
    const auto head = metric_block_head(entry);
    rows += head.ok() ? head->rows : 0;
    return true;
  };
  CAIRN_CHECK(store.scan(metric_run_prefix(run), EntryStore::Order::descending, {}, visit));
  if (blocks.empty()) return make_error(ErrorCode::not_found, "no metrics of a run " + std::string(run));
  for (std::size_t first = 0; first < blocks.size(); first += kBlocksOfWrite) {
    const auto begin = blocks.begin() + static_cast<std::ptrdiff_t>(first);
    const auto count = static_cast<std::ptrdiff_t>(std::min(kBlocksOfWrite, blocks.size() - first));
    CAIRN_TRY(const auto written, store.commit({begin, begin + count}));
    static_cast<void>(written);
  }
  return rows;
}

}  // namespace cairn
