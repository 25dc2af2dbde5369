// SPDX-License-Identifier: Apache-2.0
//
// Experiments: making, finding, listing them, and their status.
#include "engine/results/experiment_table.h"

#include "engine/content/canonical_json.h"
#include "engine/format/manifest.h"
#include "engine/results/entry_key.h"
#include "engine/results/evaluation_entry.h"
#include "engine/results/write_again.h"

namespace cairn {
namespace {

constexpr std::size_t kTextsBytesMax = 1'000'000;

Error unknown(const std::string& name) {
  return make_error(ErrorCode::not_found, "no experiment '" + printable(name) + "'");
}

Error being_removed(ErrorCode code, const std::string& name) {
  return make_error(code, "experiment '" + printable(name) + "' is being removed: remove it again to end that");
}

Status check_new(const NewExperiment& experiment) {
  CAIRN_CHECK(check_plain_name("experiment", experiment.name, kExperimentNameBytesMax));
  if (experiment.config.size() + experiment.search_space.size() + experiment.optimizer.size() > kTextsBytesMax) {
    return make_error(ErrorCode::invalid_argument, "config, search space and optimizer of experiment '" +
                                                       experiment.name + "' have more than " +
                                                       std::to_string(kTextsBytesMax) + " bytes");
  }
  for (const auto& [what, text] :
       {std::pair("config", &experiment.config), {"search space", &experiment.search_space}}) {
    if (text->empty()) continue;
    if (Status status = check_json(*text); !status.ok()) {
      return std::move(status).error().with_context(std::string(what) + " of experiment '" + experiment.name + "'");
    }
  }
  return {};
}

}  // namespace

std::string_view experiment_status_name(ExperimentStatus status) noexcept {
  switch (status) {
    case ExperimentStatus::running: return "running";
    case ExperimentStatus::completed: return "completed";
    case ExperimentStatus::failed: return "failed";
    case ExperimentStatus::removing: return "removing";
  }
  return {};
}

std::int64_t wall_clock_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

Result<std::optional<ExperimentTable::Versioned<ExperimentRecord>>> ExperimentTable::find_record(
    const std::string& name) {
  CAIRN_CHECK(check_plain_name("experiment", name, kExperimentNameBytesMax));
  CAIRN_TRY(const auto entry, entries_.find(experiment_key(name)));
  if (!entry) return std::optional<Versioned<ExperimentRecord>>();
  auto record = decode_experiment(entry->value);
  if (!record.ok()) return std::move(record).error().with_context(name);
  return std::optional(Versioned<ExperimentRecord>{.value = *std::move(record), .version = entry->version});
}

Result<ExperimentTable::Versioned<ExperimentRecord>> ExperimentTable::need_record(const std::string& name) {
  CAIRN_TRY(auto record, find_record(name));
  if (!record) return unknown(name);
  return *std::move(record);
}

Result<ExperimentTable::Versioned<ExperimentProgress>> ExperimentTable::find_progress(ExperimentNumber number) {
  CAIRN_TRY(const auto entry, entries_.find(progress_key(number)));
  if (!entry) return Versioned<ExperimentProgress>();
  CAIRN_TRY(const ExperimentProgress progress, decode_progress(entry->value));
  return Versioned<ExperimentProgress>{.value = progress, .version = entry->version};
}

Result<Experiment> ExperimentTable::describe(const std::string& name, const ExperimentRecord& record) {
  CAIRN_TRY(const auto progress, find_progress(record.number));
  const EvaluationStatistics statistics = progress.value.tally.statistics();
  Experiment experiment{.name = name,
                        .config = record.config,
                        .search_space = record.search_space,
                        .optimizer = record.optimizer,
                        .status = record.status,
                        .created_ns = record.created_ns,
                        .updated_ns = std::max(record.updated_ns, progress.value.updated_ns),
                        .completed_ns = record.completed_ns,
                        .evaluations = statistics.count,
                        .heartbeat_store_ns = progress.value.heartbeat_store_ns};
  if (statistics.count > statistics.not_a_number) experiment.best_fitness = statistics.best;
  return experiment;
}

Result<ExperimentTable::Created> ExperimentTable::create(const NewExperiment& experiment) {
  CAIRN_CHECK(check_new(experiment));
  std::optional<Ticket> ticket;
  {
    const std::lock_guard lock(mutex_);
    CAIRN_TRY(const auto there, find_record(experiment.name));
    if (there && there->value.status == ExperimentStatus::removing) {
      return being_removed(ErrorCode::conflict, experiment.name);
    }
    if (!there) {
      const std::int64_t now = wall_clock_();
      const ExperimentRecord record{.status = ExperimentStatus::running,
                                    .created_ns = now,
                                    .updated_ns = now,
                                    .completed_ns = {},
                                    .optimizer = experiment.optimizer,
                                    .config = experiment.config,
                                    .search_space = experiment.search_space};
      CAIRN_TRY(auto written, write_again([&] { return try_create(experiment.name, record); }));
      ticket = std::move(written.ticket);
    }
  }
  CAIRN_TRY(const auto record, need_record(experiment.name));
  CAIRN_TRY(Experiment described, describe(experiment.name, record.value));
  CreatedExperiment created{.experiment = std::move(described), .created = ticket.has_value()};
  return Created{.experiment = std::move(created), .ticket = std::move(ticket)};
}

Result<std::optional<Ticket>> ExperimentTable::bring(const std::string& name, const ExperimentRecord& from) {
  CAIRN_CHECK(
      check_new({.name = name, .config = from.config, .search_space = from.search_space, .optimizer = from.optimizer}));
  if (experiment_status_name(from.status).empty() || from.status == ExperimentStatus::removing) {
    return make_error(ErrorCode::invalid_argument, "experiment '" + printable(name) + "' is being removed there");
  }
  const std::lock_guard lock(mutex_);
  CAIRN_TRY(auto here, find_record(name));
  if (!here) {
    CAIRN_TRY(auto written, write_again([&] { return try_create(name, from); }));
    return std::optional(std::move(written.ticket));
  }
  ExperimentRecord& record = here->value;
  if (record.status == ExperimentStatus::removing) return being_removed(ErrorCode::conflict, name);
  if (record.config != from.config || record.search_space != from.search_space || record.optimizer != from.optimizer) {
    return make_error(ErrorCode::conflict, "experiment '" + printable(name) + "' was made of something else here");
  }
  if (record.updated_ns >= from.updated_ns) return std::optional<Ticket>();
  record.status = from.status;
  record.updated_ns = from.updated_ns;
  record.completed_ns = from.completed_ns;
  std::vector<EntryChange> changes;
  changes.push_back({.key = experiment_key(name),
                     .value = encode(record),
                     .index_keys = {experiment_status_key(record.status, name)},
                     .if_version = here->version});
  CAIRN_TRY(auto written, entries_.write(std::move(changes)));
  return std::optional(std::move(written.ticket));
}

Result<EntryStore::Written> ExperimentTable::try_create(const std::string& name, ExperimentRecord record) {
  CAIRN_TRY(const auto counter, entries_.find(next_number_key()));
  std::uint64_t number = 1;
  if (counter) {
    CAIRN_TRY(const ExperimentNumber next, decode_next_number(counter->value));
    number = static_cast<std::uint64_t>(next);
  }
  record.number = ExperimentNumber{number};
  const ExperimentProgress progress{.updated_ns = record.created_ns, .heartbeat_store_ns = entries_.store_time_ns()};
  std::vector<EntryChange> changes;
  changes.push_back({.key = experiment_key(name),
                     .value = encode(record),
                     .index_keys = {experiment_status_key(record.status, name)},
                     .if_version = 0});
  changes.push_back({.key = progress_key(record.number), .value = encode(progress), .if_version = 0});
  changes.push_back({.key = next_number_key(),
                     .value = encode(ExperimentNumber{number + 1}),
                     .if_version = counter ? counter->version : 0});
  return entries_.write(std::move(changes));
}

Result<Ticket> ExperimentTable::set_status(const std::string& name, ExperimentStatus status) {
  if (experiment_status_name(status).empty() || status == ExperimentStatus::removing) {
    return make_error(ErrorCode::invalid_argument, "a status is running, completed or failed");
  }
  const std::lock_guard lock(mutex_);
  CAIRN_TRY(auto written, write_again([&] { return try_set_status(name, status); }));
  return std::move(written.ticket);
}

Result<EntryStore::Written> ExperimentTable::try_set_status(const std::string& name, ExperimentStatus status) {
  live_.erase(name);
  CAIRN_TRY(auto record, need_record(name));
  if (record.value.status == ExperimentStatus::removing) return being_removed(ErrorCode::not_found, name);
  CAIRN_TRY(auto progress, find_progress(record.value.number));
  record.value.status = status;
  record.value.updated_ns = wall_clock_();
  record.value.completed_ns.reset();
  if (status != ExperimentStatus::running && status != ExperimentStatus::removing) {
    record.value.completed_ns = record.value.updated_ns;
  }
  progress.value.heartbeat_store_ns = entries_.store_time_ns();
  std::vector<EntryChange> changes;
  changes.push_back({.key = experiment_key(name),
                     .value = encode(record.value),
                     .index_keys = {experiment_status_key(status, name)},
                     .if_version = record.version});
  changes.push_back(
      {.key = progress_key(record.value.number), .value = encode(progress.value), .if_version = progress.version});
  return entries_.write(std::move(changes));
}

Result<std::optional<Experiment>> ExperimentTable::find(const std::string& name) {
  CAIRN_TRY(const auto record, find_record(name));
  if (!record) return std::optional<Experiment>();
  CAIRN_TRY(Experiment experiment, describe(name, record->value));
  return std::optional(std::move(experiment));
}

Result<ExperimentPage> ExperimentTable::list(const std::string& cursor, std::size_t limit,
                                             std::optional<ExperimentStatus> status) {
  if (limit == 0) return make_error(ErrorCode::invalid_argument, "a page has at least one experiment");
  std::vector<std::string> names;
  const auto take = [&](std::optional<std::string> name) -> Result<bool> {
    if (!name) return make_error(ErrorCode::corruption, "a key of the experiments holds no name");
    if (*name != cursor) names.push_back(*std::move(name));
    return names.size() <= limit;
  };
  const auto ascending = EntryStore::Order::ascending;
  const std::string everything = EntryKey(EntrySpace::experiments).bytes();
  if (status) {
    const std::string prefix = EntryKey(EntrySpace::experiments).number(static_cast<std::uint64_t>(*status)).bytes();
    const std::string from = cursor.empty() ? "" : experiment_status_key(*status, cursor);
    CAIRN_CHECK(entries_.scan_index(prefix, ascending, from, [&](std::string_view, std::string_view key) {
      return take(EntryKeyReader(key).text());
    }));
  } else {
    const std::string from = cursor.empty() ? "" : experiment_key(cursor);
    CAIRN_CHECK(entries_.scan(everything, ascending, from,
                              [&](std::string_view key, const Entry&) { return take(EntryKeyReader(key).text()); }));
  }
  ExperimentPage page;
  if (names.size() > limit) {
    names.pop_back();
    page.next = names.back();
  }
  for (const std::string& name : names) {
    CAIRN_TRY(auto experiment, find(name));
    // It may have gone, or got another status, since it was found.
    if (!experiment || (status && experiment->status != *status)) continue;
    page.experiments.push_back(*std::move(experiment));
  }
  return page;
}

Result<std::vector<Experiment>> ExperimentTable::stale(std::chrono::nanoseconds silence) {
  if (silence.count() < 0) return make_error(ErrorCode::invalid_argument, "no time is less than none");
  std::vector<Experiment> found;
  ExperimentPage page;
  do {
    CAIRN_TRY(page, list(page.next, 1000, ExperimentStatus::running));
    const std::uint64_t now = entries_.store_time_ns();
    for (Experiment& experiment : page.experiments) {
      const std::uint64_t then = experiment.heartbeat_store_ns;
      if (now >= then && now - then >= static_cast<std::uint64_t>(silence.count())) {
        found.push_back(std::move(experiment));
      }
    }
  } while (!page.next.empty());
  return found;
}

}  // namespace cairn
