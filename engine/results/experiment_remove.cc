// SPDX-License-Identifier: Apache-2.0
//
// Removing an experiment with all that belongs to it, in parts that a crash may come between.
#include "engine/base/errors.h"
#include "engine/results/evaluation_entry.h"
#include "engine/results/experiment_table.h"
#include "engine/results/write_again.h"

namespace cairn {
namespace {

constexpr std::size_t kRemovedTogether = 4096;

}  // namespace

Result<bool> ExperimentTable::remove_some(ExperimentNumber number, std::string& from, std::uint64_t& evaluations) {
  std::vector<EntryChange> changes;
  const auto take = [&](std::string_view key, const Entry&) -> Result<bool> {
    changes.push_back({.key = std::string(key), .removed = true});
    return changes.size() < kRemovedTogether;
  };
  CAIRN_CHECK(entries_.scan(experiment_prefix(number), EntryStore::Order::ascending, from, take));
  if (changes.empty()) return false;
  const bool more = changes.size() == kRemovedTogether;
  std::string last = changes.back().key;
  std::uint64_t count = 0;
  for (const EntryChange& change : changes) count += change.key.starts_with(evaluation_prefix(number)) ? 1 : 0;
  CAIRN_CHECK(entries_.commit(std::move(changes)));
  // What was removed need not be passed again.
  from = std::move(last);
  evaluations += count;
  return more;
}

Result<ExperimentTable::Removed> ExperimentTable::remove(const std::string& name) {
  const std::lock_guard removal(removal_);
  ExperimentNumber number{};
  {
    // Once this is written, nothing more is recorded: whoever does has the turn before or after.
    const std::lock_guard lock(mutex_);
    CAIRN_TRY(const auto record, need_record(name));
    number = record.value.number;
    if (record.value.status != ExperimentStatus::removing) {
      CAIRN_TRY(const auto marked, write_again([&] { return try_set_status(name, ExperimentStatus::removing); }));
      CAIRN_CHECK(marked.ticket.committed().wait());
    }
    live_.erase(name);
  }
  std::uint64_t evaluations = 0;
  std::string from;
  bool more = true;
  while (more) {
    CAIRN_TRY(more, remove_some(number, from, evaluations));
  }
  std::vector<EntryChange> last;
  last.push_back({.key = experiment_key(name), .removed = true});
  CAIRN_TRY(auto written, entries_.write(std::move(last)));
  return Removed{.evaluations = evaluations, .ticket = std::move(written.ticket)};
}

}  // namespace cairn
