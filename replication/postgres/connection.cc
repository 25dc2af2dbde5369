// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "replication/postgres/errors.h"

namespace cairn::postgres {
namespace {

constexpr int kServerVersionMin = 130000;
// So much later than the server should have, at most, we end a statement ourselves.
constexpr std::chrono::milliseconds kGraceMax{5'000};
// What a COPY has queued in memory before it is waited for.
constexpr std::size_t kCopyQueuedMax = std::size_t{1} << 20;
constexpr int kBinary = 1;

// The values of a call as libpq takes them: pointers into the cells.
struct Values {
  explicit Values(const CellWriter& cells) {
    const std::string& bytes = cells.bytes();
    for (std::size_t at = 0; pointers.size() < cells.count_of_cells();) {
      std::int32_t size = 0;
      for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(bytes[at + static_cast<unsigned>(i)]);
      at += 4;
      pointers.push_back(size < 0 ? nullptr : bytes.data() + at);
      sizes.push_back(std::max(size, 0));
      at += static_cast<std::size_t>(std::max(size, 0));
    }
    formats.assign(pointers.size(), kBinary);
  }
  int count() const { return static_cast<int>(pointers.size()); }

  std::vector<const char*> pointers;
  std::vector<int> sizes, formats;
};

bool is_fine(ExecStatusType status) {
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN ||
         status == PGRES_EMPTY_QUERY || status == PGRES_PIPELINE_SYNC;
}

Error is_lost() {
  Error error = make_error(ErrorCode::io, "the connection to PostgreSQL was lost");
  error.retryable = true;
  return error;
}

Error is_stopped() { return make_error(ErrorCode::cancelled, "what was asked of PostgreSQL was stopped"); }

}  // namespace

Rows::Rows(pg_result* owned) : result_(owned, PQclear) {}
std::size_t Rows::size() const noexcept { return result_ ? static_cast<std::size_t>(PQntuples(result_.get())) : 0; }
std::uint64_t Rows::affected() const noexcept {
  return result_ ? std::strtoull(PQcmdTuples(result_.get()), nullptr, 10) : 0;
}
std::size_t Rows::bytes() const noexcept { return result_ ? PQresultMemorySize(result_.get()) : 0; }
CellReader Rows::row(std::size_t number) const {
  pg_result* const result = result_.get();
  const int row = static_cast<int>(number);
  return {static_cast<std::size_t>(PQnfields(result)), [result, row](std::size_t cell) -> CellReader::Cell {
            const int column = static_cast<int>(cell);
            if (PQgetisnull(result, row, column) != 0) return std::nullopt;
            return std::string_view(PQgetvalue(result, row, column),
                                    static_cast<std::size_t>(PQgetlength(result, row, column)));
          }};
}

void Connection::Finish::operator()(pg_conn* connection) const noexcept { PQfinish(connection); }
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open(const Address& address, const StopEvent* stop) {
  std::unique_ptr<Connection> connection(new Connection(stop));
  CAIRN_CHECK(connection->connect(address));
  CAIRN_CHECK(connection->begin_session(address.statement_timeout));
  return connection;
}

Status Connection::connect(const Address& address) {
  CAIRN_TRY(const auto behind, keywords_behind(address));
  std::string text(address.text.reveal());
  const WipedAtEnd wiped(text);
  // The text is expanded where it stands for the database's name; what comes behind it counts.
  std::vector<const char*> keywords{"dbname"}, values{text.c_str()};
  for (const auto& [keyword, value] : behind) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  const Deadline deadline = std::chrono::steady_clock::now() + address.connect_timeout;
  connection_.reset(PQconnectStartParams(keywords.data(), values.data(), 1));
  if (!connection_) return make_error(ErrorCode::resource_exhausted, "no memory for a connection to PostgreSQL");
  // It prints notices where nobody said so.
  PQsetNoticeReceiver(
      connection_.get(), [](void*, const PGresult*) {}, nullptr);
  // So that a refusal has its SQLSTATE.
  PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
  for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK;) {
    if (PQstatus(connection_.get()) == CONNECTION_BAD || next == PGRES_POLLING_FAILED) return lost("");
    CAIRN_TRY([[maybe_unused]] const bool readable,
              wait(next == PGRES_POLLING_READING, next == PGRES_POLLING_WRITING, deadline));
    next = PQconnectPoll(connection_.get());
  }
  PQsetErrorVerbosity(connection_.get(), PQERRORS_DEFAULT);
  if (PQsetnonblocking(connection_.get(), 1) != 0) return lost("");
  if (PQserverVersion(connection_.get()) < kServerVersionMin) {
    return given_up(make_error(ErrorCode::unsupported, "PostgreSQL: the server is older than version 13"));
  }
  const char* const encoding = PQparameterStatus(connection_.get(), "server_encoding");
  if (encoding == nullptr || std::string_view(encoding) != "UTF8") {
    return given_up(make_error(ErrorCode::unsupported, "PostgreSQL: the database's encoding is not UTF8"));
  }
  return {};
}

Status Connection::begin_session(std::chrono::milliseconds statement_timeout) {
  statement_timeout_ = statement_timeout;
  const std::string limit = std::to_string(statement_timeout.count());
  // A backend whose client is gone must not hold its locks for hours, idle or not. Names are looked up where nobody
  // else makes any.
  return run("SET statement_timeout = " + limit + "; SET idle_in_transaction_session_timeout = " + limit +
             "; SET tcp_user_timeout = " + limit +
             "; SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6"
             "; SET search_path = pg_catalog, pg_temp; SET timezone = 'UTC'; SET synchronous_commit = on");
}

Connection::Deadline Connection::begin_statement() const {
  return std::chrono::steady_clock::now() + statement_timeout_ + std::min(statement_timeout_, kGraceMax);
}

Status Connection::require_connection() const { return connection_ ? Status() : Status(is_lost()); }

Error Connection::given_up(Error error) {
  connection_.reset();
  prepared_.clear();
  return error;
}

Error Connection::lost(std::string_view doing) {
  Error error = error_of_connection(without_secret(PQerrorMessage(connection_.get())));
  if (!doing.empty()) error = std::move(error).with_context(doing);
  return given_up(std::move(error));
}

// libpq does not put the password into its messages; a server may put there what it likes. Asked before words are cut,
// which may leave a part of it.
std::string Connection::without_secret(std::string words) const {
  const char* const password = connection_ ? PQpass(connection_.get()) : nullptr;
  if (password == nullptr || *password == '\0') return words;
  const std::string_view secret = password;
  for (std::size_t at = 0; (at = words.find(secret, at)) != std::string::npos;) {
    words.replace(at, secret.size(), "***");
    at += 3;
  }
  return words;
}

Error Connection::failure(const pg_result* answer) const {
  const char* const state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  const char* const words = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
  if (state == nullptr) return error_of_connection(without_secret(PQresultErrorMessage(answer)));
  return error_of(state, without_secret(words == nullptr ? "" : words));
}

Result<bool> Connection::wait(bool read, bool write, Deadline deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    // What is negative is passed over.
    std::array<pollfd, 2> either{
        pollfd{.fd = PQsocket(connection_.get()), .events = 0, .revents = 0},
        pollfd{.fd = stop_ == nullptr ? -1 : stop_->descriptor(), .events = POLLIN, .revents = 0}};
    pollfd& socket = either[0];
    if (read) socket.events |= POLLIN;
    if (write) socket.events |= POLLOUT;
    const int ready =
        ::poll(either.data(), either.size(), static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30)));
    if (ready > 0 && either[1].revents != 0) return given_up(is_stopped());
    if (ready > 0) return (socket.revents & ~POLLOUT) != 0;
    if (ready < 0 && errno != EINTR) {
      Error error = make_error(ErrorCode::io, "PostgreSQL: poll failed");
      error.sys_errno = errno;
      return given_up(std::move(error));
    }
    if (ready == 0 && left.count() <= 0) {
      Error error = make_error(ErrorCode::io, "PostgreSQL did not answer in time");
      error.retryable = true;
      return given_up(std::move(error));
    }
  }
}

Status Connection::flush(Deadline deadline) {
  while (true) {
    const int unsent = PQflush(connection_.get());
    if (unsent < 0) return lost("");
    if (unsent == 0) return {};
    // A server that sends meanwhile may wait until it is read.
    CAIRN_TRY(const bool readable, wait(true, true, deadline));
    if (readable && PQconsumeInput(connection_.get()) == 0) return lost("");
  }
}

Result<Connection::Answer> Connection::next_answer(Deadline deadline) {
  while (true) {
    const int unsent = PQflush(connection_.get());
    if (unsent < 0) return lost("");
    if (PQisBusy(connection_.get()) == 0) return Answer(PQgetResult(connection_.get()), PQclear);
    CAIRN_TRY(const bool readable, wait(true, unsent > 0, deadline));
    if (readable && PQconsumeInput(connection_.get()) == 0) return lost("");
  }
}

// The answers of one statement, or one script: the last with rows, or the first error.
Result<Rows> Connection::finish_statement(Deadline deadline) {
  Rows rows;
  Status status;
  while (true) {
    CAIRN_TRY(Answer answer, next_answer(deadline));
    if (!answer) break;
    if (!is_fine(PQresultStatus(answer.get()))) {
      if (status.ok()) status = failure(answer.get());
    } else {
      rows = Rows(answer.release());
    }
    if (PQstatus(connection_.get()) == CONNECTION_BAD) break;
  }
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return given_up(status.ok() ? is_lost() : status.error());
  CAIRN_CHECK(status);
  return rows;
}

Status Connection::send(std::string_view sql, const CellWriter& cells) {
  CAIRN_CHECK(require_connection());
  CAIRN_CHECK(cells.check());
  const Values values(cells);
  const int sent = PQsendQueryParams(connection_.get(), std::string(sql).c_str(), values.count(), nullptr,
                                     values.pointers.data(), values.sizes.data(), values.formats.data(), kBinary);
  return sent == 0 ? Status(lost("")) : Status();
}

Result<Rows> Connection::query(std::string_view sql, const CellWriter& cells) {
  const Deadline deadline = begin_statement();
  CAIRN_CHECK(send(sql, cells));
  return finish_statement(deadline);
}

Result<std::size_t> Connection::visit(std::string_view sql, const std::function<Status(const Rows& row)>& visit) {
  CAIRN_CHECK(send(sql, {}));
  if (PQsetSingleRowMode(connection_.get()) == 0) return lost("");
  std::size_t count = 0;
  Status status;
  while (true) {
    // The time that visiting takes is not the server's.
    CAIRN_TRY(Answer answer, next_answer(begin_statement()));
    if (!answer) break;
    const bool is_row = PQresultStatus(answer.get()) == PGRES_SINGLE_TUPLE;
    if (!is_row && !is_fine(PQresultStatus(answer.get()))) {
      status = failure(answer.get());
    } else if (is_row && status.ok()) {
      ++count;
      status = visit(Rows(answer.release()));
    }
    if (PQstatus(connection_.get()) == CONNECTION_BAD) return given_up(status.ok() ? is_lost() : status.error());
  }
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return given_up(status.ok() ? is_lost() : status.error());
  CAIRN_CHECK(status);
  return count;
}

Status Connection::run(std::string_view script) {
  CAIRN_CHECK(require_connection());
  const Deadline deadline = begin_statement();
  if (PQsendQuery(connection_.get(), std::string(script).c_str()) == 0) return lost("");
  CAIRN_TRY([[maybe_unused]] const Rows rows, finish_statement(deadline));
  return {};
}

Result<std::vector<Rows>> Connection::pipeline(std::span<const Call> calls) {
  CAIRN_CHECK(require_connection());
  for (const Call& call : calls) CAIRN_CHECK(call.values.check());
  const Deadline deadline = begin_statement();
  pg_conn* const connection = connection_.get();
  if (PQenterPipelineMode(connection) == 0) return lost("");
  std::vector<Asked> asked;
  for (const Call& call : calls) {
    auto known = prepared_.find(call.sql);
    if (known == prepared_.end()) {
      // Never a name that was given before: where the server stopped at an error, it may have that one or not.
      known = prepared_.emplace(call.sql, "cairn_" + std::to_string(++names_given_)).first;
      if (PQsendPrepare(connection, known->second.c_str(), known->first.c_str(), 0, nullptr) == 0) return lost("");
      asked.push_back({.call = &call, .is_preparing = true});
    }
    const Values values(call.values);
    const int sent = PQsendQueryPrepared(connection, known->second.c_str(), values.count(), values.pointers.data(),
                                         values.sizes.data(), values.formats.data(), kBinary);
    if (sent == 0) return lost("");
    asked.push_back({.call = &call, .is_preparing = false});
  }
  if (PQpipelineSync(connection) == 0) return lost("");
  std::vector<Rows> rows;
  CAIRN_CHECK(finish_pipeline(asked, rows, deadline));
  return rows;
}

Status Connection::finish_pipeline(std::span<const Asked> asked, std::vector<Rows>& rows, Deadline deadline) {
  Status status;
  for (std::size_t i = 0; i <= asked.size(); ++i) {
    // One answer for each, and nothing behind it; at the end that of the synchronisation, behind which there is none.
    CAIRN_TRY(Answer answer, next_answer(deadline));
    const ExecStatusType answered = answer ? PQresultStatus(answer.get()) : PGRES_FATAL_ERROR;
    if (PQstatus(connection_.get()) == CONNECTION_BAD) {
      return given_up(status.ok() ? (answer ? failure(answer.get()) : is_lost()) : status.error());
    }
    if (!answer) return given_up(is_lost());
    if (!is_fine(answered) && answered != PGRES_PIPELINE_ABORTED && status.ok()) status = failure(answer.get());
    if (i == asked.size()) break;
    if (asked[i].is_preparing) {
      // What is prepared stays so, whatever becomes of the transaction.
      if (!is_fine(answered)) prepared_.erase(prepared_.find(asked[i].call->sql));
    } else if (status.ok()) {
      rows.emplace_back(answer.release());
    }
    CAIRN_TRY(const Answer behind, next_answer(deadline));
    if (behind) return given_up(is_lost());
  }
  if (PQexitPipelineMode(connection_.get()) == 0) return lost("");
  return status;
}

Status Connection::copy_in(std::string_view sql, const std::function<std::string_view()>& next) {
  CAIRN_CHECK(require_connection());
  const Deadline deadline = begin_statement();
  if (PQsendQuery(connection_.get(), std::string(sql).c_str()) == 0) return lost("");
  {
    CAIRN_TRY(const Answer answer, next_answer(deadline));
    if (!answer || PQresultStatus(answer.get()) != PGRES_COPY_IN) {
      const Error error = answer ? failure(answer.get()) : is_lost();
      CAIRN_TRY([[maybe_unused]] const Rows rest, finish_statement(deadline));
      return error;
    }
  }
  std::size_t queued = 0;
  for (std::string_view part = next(); !part.empty(); part = next()) {
    for (; !part.empty(); part.remove_prefix(std::min(part.size(), kCopyQueuedMax))) {
      const std::size_t size = std::min(part.size(), kCopyQueuedMax);
      if (PQputCopyData(connection_.get(), part.data(), static_cast<int>(size)) != 1) return lost("");
      queued += size;
      if (queued < kCopyQueuedMax) continue;
      CAIRN_CHECK(flush(deadline));
      queued = 0;
    }
  }
  if (PQputCopyEnd(connection_.get(), nullptr) != 1) return lost("");
  CAIRN_TRY([[maybe_unused]] const Rows rows, finish_statement(deadline));
  return {};
}

Status in_transaction(Connection& connection, const std::function<Status()>& work) {
  CAIRN_CHECK(connection.run("BEGIN"));
  if (Status done = work(); !done.ok()) {
    // A broken connection rolls back by itself.
    if (!connection.is_broken()) CAIRN_CHECK(connection.run("ROLLBACK"));
    return done;
  }
  return connection.run("COMMIT");
}

}  // namespace cairn::postgres
