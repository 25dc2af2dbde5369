// SPDX-License-Identifier: Apache-2.0
//
// One connection to a PostgreSQL server, on which nothing waits without an end.
//
// libpq is driven without blocking, and what it waits for with poll(2): between the hosts that it tries it changes its
// socket, which an event loop that keeps a socket registered would have to follow. A name service that hangs is
// waited for as long as the C library does.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "replication/postgres/address.h"
#include "replication/postgres/cells.h"
#include "replication/postgres/stop_event.h"

struct pg_conn;
struct pg_result;

namespace cairn::postgres {

// What a statement answered. Cheap to copy; any number of threads.
class Rows {
 public:
  Rows() = default;
  explicit Rows(pg_result* owned);

  std::size_t size() const noexcept;
  std::uint64_t affected() const noexcept;  // rows that the statement changed
  std::size_t bytes() const noexcept;       // of memory, about
  // The cells of one row, in binary; borrows them from this.
  CellReader row(std::size_t number) const;

 private:
  std::shared_ptr<pg_result> result_;
};

// A statement with $1, $2, … and their values. It is prepared when the connection first meets it.
struct Call {
  std::string_view sql;
  CellWriter values;
};

// One thread at a time. An error that ended the connection leaves it broken: what was going on may have happened or
// not, and every later call fails. After any other error it goes on; a transaction is to be rolled back.
class Connection {
 public:
  // unsupported: a server older than 13, or a database whose encoding is not UTF-8. `stop` is borrowed for the
  // connection's life, and ends whatever waits: cancelled, and the connection is broken.
  static Result<std::unique_ptr<Connection>> open(const Address& address, const StopEvent* stop = nullptr);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<Rows> query(std::string_view sql, const CellWriter& values = {});
  // Visits the rows of one statement as they come: one of them is in memory at a time. How many there were. `visit` may
  // not use the connection; behind its error, which is returned, the rest is passed over.
  Result<std::size_t> visit(std::string_view sql, const std::function<Status(const Rows& row)>& visit);
  // Several statements without values, whose rows are of no interest; one transaction unless they say otherwise.
  Status run(std::string_view script);
  // One round trip for all of them. Those behind the first that fails are not run; its error is returned.
  Result<std::vector<Rows>> pipeline(std::span<const Call> calls);

  // COPY … FROM STDIN: `next` gives the stream part by part, and nothing at its end.
  Status copy_in(std::string_view sql, const std::function<std::string_view()>& next);

  bool is_broken() const noexcept { return !connection_; }

 private:
  struct Finish {
    void operator()(pg_conn* connection) const noexcept;
  };
  using Deadline = std::chrono::steady_clock::time_point;
  using Answer = std::unique_ptr<pg_result, void (*)(pg_result*)>;

  explicit Connection(const StopEvent* stop) : stop_(stop) {}
  Status connect(const Address& address);
  Status begin_session(std::chrono::milliseconds statement_timeout);

  Deadline begin_statement() const;
  // Until the socket is ready; whether it can be read then.
  Result<bool> wait(bool read, bool write, Deadline deadline);
  Status flush(Deadline deadline);
  Result<Answer> next_answer(Deadline deadline);  // holds nothing behind the last one of a statement
  Status send(std::string_view sql, const CellWriter& values);
  Result<Rows> finish_statement(Deadline deadline);
  // To prepare the statement of a call, or the call itself.
  struct Asked {
    const Call* call;
    bool is_preparing;
  };
  Status finish_pipeline(std::span<const Asked> asked, std::vector<Rows>& rows, Deadline deadline);
  Error failure(const pg_result* answer) const;
  Error lost(std::string_view doing);
  Error given_up(Error error);
  std::string without_secret(std::string words) const;
  Status require_connection() const;

  const StopEvent* const stop_;  // null: there is none
  std::unique_ptr<pg_conn, Finish> connection_;
  std::chrono::milliseconds statement_timeout_{};
  std::map<std::string, std::string, std::less<>> prepared_;  // name by statement
  std::uint64_t names_given_ = 0;
};

// What a function does between BEGIN and COMMIT; rolled back when it fails. When the connection breaks at COMMIT,
// nobody knows whether it happened.
Status in_transaction(Connection& connection, const std::function<Status()>& work);

}  // namespace cairn::postgres
