// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_pull.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "api/src/postgres_pull_metrics.h"
#include "api/src/postgres_result.h"
#include "api/src/tables.h"
#include "engine/base/errors.h"
#include "engine/results/entry_key.h"
#include "engine/results/evaluation_entry.h"
#include "engine/results/write_again.h"
#include "replication/bucket.h"
#include "replication/postgres/read.h"
#include "replication/postgres/schema.h"

namespace cairn {
namespace {

using postgres::CellReader;
using postgres::RowFilter;
using postgres::Uuid;

// Of one write, which has bounds of its own.
constexpr std::size_t kBatchRowsMax = 2048;
constexpr std::size_t kBatchBytesMax = std::size_t{8} << 20;

// About one row or the thing that it says, and not about saying it.
bool is_of_row(const Error& error) {
  return error.code == ErrorCode::corruption || error.code == ErrorCode::invalid_argument ||
         error.code == ErrorCode::unsupported;
}

std::optional<ExperimentStatus> status_named(std::string_view name) {
  for (const auto status :
       {ExperimentStatus::running, ExperimentStatus::completed, ExperimentStatus::failed, ExperimentStatus::removing}) {
    if (name == experiment_status_name(status)) return status;
  }
  return std::nullopt;
}

// Of an evaluation in a write, with its index keys.
std::size_t bytes_of(const Evaluation& evaluation) {
  std::size_t bytes = 1024 + evaluation.architecture.size() + 2 * evaluation.worker.size();
  for (const auto& [name, value] : evaluation.metrics) bytes += 128 + 3 * name.size();
  return bytes;
}

// The key of an entry for people; nothing when it is of what is not pulled.
std::optional<std::string> entry_name(std::string_view entry_key) {
  if (entry_key.empty()) return std::nullopt;
  EntryKeyReader key(entry_key);
  const auto with_text = [&](const char* what) {
    const auto text = key.text();
    return what + (" '" + printable(text.value_or("").substr(0, 64)));
  };
  switch (static_cast<EntrySpace>(entry_key.front())) {
    case EntrySpace::results: {
      std::string name = with_text("result");
      return name + "/" + printable(key.rest().substr(0, 64)) + "'";
    }
    case EntrySpace::experiments: return with_text("experiment") + "'";
    case EntrySpace::evaluations: return "something of experiment " + std::to_string(key.number().value_or(0));
    case EntrySpace::metrics: {
      std::string name = with_text("run");
      return name + "', block " + std::to_string(key.number().value_or(0));
    }
    default: return std::nullopt;
  }
}

class PostgresPull {
 public:
  PostgresPull(StoreImpl& store, StoreImpl::Tables& tables, postgres::Connection& connection,
               const PostgresPullOptions& options, PostgresPullReport& report)
      : store_(store), tables_(tables), connection_(connection), options_(options), report_(report) {}

  Status pull() {
    CAIRN_CHECK(postgres::check_schema(connection_));
    CAIRN_TRY(std::vector<Uuid> stores, postgres::read_stores(connection_));
    if (options_.store) {
      if (std::ranges::find(stores, *options_.store) == stores.end()) {
        return make_error(ErrorCode::not_found, "the database knows no store " + mirror::hex(*options_.store));
      }
      stores = {*options_.store};
    }
    for (const Uuid& store : stores) CAIRN_CHECK(pull_store(store));
    for (const std::string& name : options_.experiments) {
      if (found_.contains(name)) continue;
      return make_error(ErrorCode::not_found, "the database has no experiment '" + printable(name) + "'");
    }
    return {};
  }

 private:
  Status pull_store(const Uuid& from) {
    names_.clear();
    CAIRN_CHECK(pull_experiments(from));
    CAIRN_CHECK(pull_evaluations(from));
    CAIRN_CHECK(pull_results(from));
    if (options_.experiments.empty()) {
      const std::function<Status()> progress = [this] { return tell(); };
      MetricPull metrics(connection_, from, tables_.entries, store_.header().digest, report_, progress);
      CAIRN_CHECK(metrics.pull_all());
    }
    return name_left_out(from);
  }

  Status tell() { return options_.progress ? options_.progress(report_) : Status(); }

  // Visits rows that can be read; the others are named by their first column.
  template <class Row, class Visit>
  Status for_each(const Uuid& from, const RowFilter& filter, const Visit& visit) {
    return postgres::read_cells(connection_, decltype(Row::key)::table, from, filter, [&](CellReader& cells) -> Status {
      ++report_.rows;
      cells.skip();  // store
      Row row = Row::read(cells);
      if (Status whole = cells.check(); !whole.ok()) {
        report_.left_out.add(std::string(decltype(Row::key)::table.name) + ": " + whole.error().message);
        return {};
      }
      return visit(std::move(row));
    });
  }

  // What is wrong with one row is told, and is no reason to stop.
  Status note(const Error& error) {
    if (error.code == ErrorCode::conflict) {
      report_.conflicts.add(error.message);
      return {};
    }
    if (!is_of_row(error)) return error;
    report_.left_out.add(error.message);
    return {};
  }

  // "AND column = ANY($2)", of the experiments that are asked for.
  RowFilter only(std::string_view where, std::string_view order) const {
    if (options_.experiments.empty()) return {.order = order};
    RowFilter filter{.where = where, .order = order};
    filter.values.texts(options_.experiments);
    return filter;
  }

  Status pull_experiments(const Uuid& from) {
    std::optional<Ticket> last;
    const auto visit = [&](const postgres::ExperimentRow& row) -> Status {
      const std::string& name = row.key.name;
      if (!options_.experiments.empty()) found_.insert(name);
      const auto status = status_named(row.status);
      if (!status) return note(make_error(ErrorCode::corruption, "experiment '" + printable(name) + "' has no status"));
      const ExperimentRecord record{.status = *status,
                                    .created_ns = row.created_ns,
                                    .updated_ns = row.updated_ns,
                                    .completed_ns = row.completed_ns,
                                    .optimizer = row.optimizer,
                                    .config = row.config,
                                    .search_space = row.search_space};
      auto brought = tables_.experiments.bring(name, record);
      if (!brought.ok()) return note(brought.error());
      if (!names_.emplace(row.number, name).second) {
        return note(
            make_error(ErrorCode::corruption, "experiment '" + printable(name) + "' has the number of another"));
      }
      if (*brought) {
        last = **brought;
        ++report_.experiments;
      }
      return tell();
    };
    // As they were made: they get their numbers in that order.
    CAIRN_CHECK(for_each<postgres::ExperimentRow>(from, only("AND name = ANY($2)", "number, name"), visit));
    return last ? last->committed().wait() : Status();
  }

  // As they were recorded: of equal ones, the later is the higher.
  Status pull_evaluations(const Uuid& from) {
    RowFilter filter{.order = "experiment, recorded_ns, architecture_hash"};
    if (!options_.experiments.empty()) {
      std::vector<std::int64_t> numbers;
      for (const auto& [number, name] : names_) numbers.push_back(static_cast<std::int64_t>(number));
      filter.where = "AND experiment = ANY($2)";
      filter.values.int8s(numbers);
    }
    std::uint64_t number = 0;
    std::vector<Evaluation> batch;
    std::size_t bytes = 0;
    const auto flush = [&]() -> Status {
      if (!batch.empty()) CAIRN_CHECK(write_evaluations(names_.at(number), std::exchange(batch, {})));
      bytes = 0;
      return {};
    };
    const auto visit = [&](postgres::EvaluationRow row) -> Status {
      if (row.key.experiment != number || bytes >= batch_bytes_ || batch.size() >= kBatchRowsMax) {
        CAIRN_CHECK(flush());
      }
      number = row.key.experiment;
      // That of an experiment that is not brought.
      if (!names_.contains(number)) return {};
      Evaluation evaluation{.architecture = std::move(row.architecture),
                            .hash = std::move(row.key.architecture_hash),
                            .fitness = row.fitness,
                            .metrics = std::move(row.metrics),
                            .generation = row.generation,
                            .worker = std::move(row.worker),
                            .duration_seconds = row.duration_seconds,
                            .recorded_ns = row.recorded_ns};
      if (evaluation.hash.empty()) return note(make_error(ErrorCode::corruption, "an evaluation has no hash"));
      // Each by itself: one that cannot be recorded keeps no others away.
      Evaluation completed = evaluation;
      if (Status fits = complete_evaluation(store_.header().digest, completed); !fits.ok()) return note(fits.error());
      bytes += bytes_of(evaluation);
      batch.push_back(std::move(evaluation));
      return {};
    };
    CAIRN_CHECK(for_each<postgres::EvaluationRow>(from, filter, visit));
    return flush();
  }

  Status write_evaluations(const std::string& experiment, std::vector<Evaluation> evaluations) {
    const std::vector<Evaluation> wanted = evaluations;
    const auto brought = tables_.experiments.bring_evaluations(experiment, std::move(evaluations));
    if (!brought.ok() && wanted.size() > 1 &&
        (brought.error().code == ErrorCode::conflict || is_of_row(brought.error()))) {
      for (const Evaluation& one : wanted) CAIRN_CHECK(write_evaluations(experiment, {one}));
      return {};
    }
    if (!brought.ok()) return note(brought.error());
    if (brought->ticket) CAIRN_CHECK(brought->ticket->committed().wait());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const RecordedEvaluation& one = brought->evaluations[i];
      if (one.inserted) {
        ++report_.evaluations;
      } else if (encode(one.evaluation) != encode(wanted[i])) {
        report_.conflicts.add("evaluation " + printable(wanted[i].hash) + " of experiment '" + printable(experiment) +
                              "' says something else here");
      }
    }
    return tell();
  }

  struct Wanted {
    std::string name_space, key;
    ResultEnvelope envelope;
  };
  Status pull_results(const Uuid& from) {
    CAIRN_TRY(const auto time_there, postgres::read_store_time(connection_, from));
    std::vector<Wanted> batch;
    std::size_t bytes = 0;
    const auto flush = [&]() -> Status {
      bytes = 0;
      return batch.empty() ? Status() : write_results(std::exchange(batch, {}));
    };
    const auto visit = [&](const postgres::ResultRow& row) -> Status {
      std::optional<std::uint64_t> left;
      if (row.expires_store_ns) {
        if (!time_there) {
          return note(make_error(ErrorCode::unsupported, "result '" + printable(row.name.substr(0, 64)) +
                                                             "' ends at a time that its store has not come to say"));
        }
        if (*row.expires_store_ns <= *time_there) return {};  // its time is over
        left = *row.expires_store_ns - *time_there;
      }
      auto envelope = envelope_of(row, left, tables_.entries.store_time_ns());
      if (!envelope.ok()) return note(envelope.error());
      const std::size_t size = row.bytes.size() + 2 * row.name.size() + 1024;
      if (bytes + size > batch_bytes_ || batch.size() >= kBatchRowsMax) CAIRN_CHECK(flush());
      bytes += size;
      batch.push_back({row.name_space, row.name, *std::move(envelope)});
      return {};
    };
    CAIRN_CHECK(for_each<postgres::ResultRow>(from, only("AND experiment = ANY($2)", ""), visit));
    return flush();
  }

  // A conflict of the write is with somebody who puts here meanwhile: what is there then is looked at again.
  Status write_results(const std::vector<Wanted>& batch) {
    std::size_t written = 0;
    std::vector<Error> wrong;
    const auto attempt = [&]() -> Status {
      wrong.clear();
      std::vector<EntryChange> changes;
      for (const Wanted& one : batch) {
        auto change = tables_.results.bring(one.name_space, one.key, one.envelope);
        if (!change.ok()) {
          wrong.push_back(change.error());
        } else if (*change) {
          changes.push_back(**std::move(change));
        }
      }
      written = changes.size();
      if (changes.empty()) return {};
      CAIRN_TRY([[maybe_unused]] const auto committed, tables_.entries.commit(std::move(changes)));
      return {};
    };
    CAIRN_CHECK(write_again(attempt));
    for (const Error& error : wrong) CAIRN_CHECK(note(error));
    report_.results += written;
    return tell();
  }

  // What the store could not mirror, in words.
  Status name_left_out(const Uuid& from) {
    if (!options_.experiments.empty()) return {};
    return for_each<postgres::LeftOutRow>(from, {}, [&](const postgres::LeftOutRow& row) -> Status {
      if (static_cast<RecordKind>(row.kind) != RecordKind::entries) return {};
      const auto name = entry_name(row.statement_key);
      if (name) report_.left_out.add(*name + ": " + printable(row.why.substr(0, 300)));
      return {};
    });
  }

  StoreImpl& store_;
  StoreImpl::Tables& tables_;
  postgres::Connection& connection_;
  const PostgresPullOptions& options_;
  PostgresPullReport& report_;
  const std::size_t batch_bytes_ = std::min(options_.batch_bytes, kBatchBytesMax);
  std::map<std::uint64_t, std::string> names_;  // of the experiments that are brought from one store, by number there
  std::set<std::string> found_;                 // of the experiments that are asked for
};

}  // namespace

Result<PostgresPullReport> pull_from_postgres(StoreImpl& store, const postgres::Address& address,
                                              const PostgresPullOptions& options) {
  CAIRN_TRY(StoreImpl::Tables* const tables, store.tables());
  if (!tables->entries.writable()) return make_error(ErrorCode::invalid_argument, "the store is open read-only");
  Retry retry(options.retry, options.clock);
  PostgresPullReport so_far;
  while (true) {
    // What is told of rows is told of the last attempt, which looks at all of them.
    PostgresPullReport report = std::exchange(so_far, {});
    report.rows = 0;
    report.conflicts = report.left_out = {};
    const auto attempt = [&]() -> Status {
      CAIRN_TRY(const auto connection, postgres::Connection::open(address, options.stop));
      return PostgresPull(store, *tables, *connection, options, report).pull();
    };
    const Status pulled = attempt();
    if (pulled.ok()) return report;
    if (!retry.again(pulled.error())) return retry.last_error(pulled.error());
    so_far = std::move(report);
  }
}

}  // namespace cairn
#endif
