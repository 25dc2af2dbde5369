// SPDX-License-Identifier: Apache-2.0
//
// A database of its own for each test, on the server that postgres_server_test.py started.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

#include "replication/postgres/batch.h"
#include "replication/postgres/connection.h"
#include "replication/postgres/schema.h"

namespace cairn::postgres {

inline std::string of_environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}
inline std::string port() { return of_environment("CAIRN_POSTGRES_PORT"); }
inline std::string password() { return of_environment("CAIRN_POSTGRES_PASSWORD"); }

#define CAIRN_ASSERT_OK(expression)                                                       \
  do {                                                                                    \
    const auto& cairn_outcome = (expression);                                             \
    ASSERT_TRUE(cairn_outcome.ok()) << #expression ": " << cairn_outcome.error().message; \
  } while (false)

class PostgresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static std::atomic<int> databases = 0;
    database_ = "test_" + std::to_string(++databases);
    auto server = Connection::open({.text = Secret(address_of("postgres"))});
    CAIRN_ASSERT_OK(server);
    CAIRN_ASSERT_OK((*server)->run("DROP DATABASE IF EXISTS " + database_));
    CAIRN_ASSERT_OK((*server)->run("CREATE DATABASE " + database_));
  }

  // Over TCP to a port of this machine: the server's own unless it is another's.
  static std::string address_of(const std::string& database, const std::string& at_port = port()) {
    return "host=127.0.0.1 sslmode=disable gssencmode=disable user=postgres dbname=" + database + " port=" + at_port +
           " password=" + password();
  }
  Result<std::unique_ptr<Connection>> try_connect(const std::string& at_port = port(),
                                                  std::chrono::milliseconds timeout = std::chrono::seconds(60)) const {
    return Connection::open({.text = Secret(address_of(database_, at_port)), .statement_timeout = timeout});
  }
  std::unique_ptr<Connection> connect() const {
    auto connection = try_connect();
    EXPECT_TRUE(connection.ok()) << connection.error().message;
    return connection.ok() ? std::move(connection).value() : nullptr;
  }
  std::unique_ptr<Connection> connect_with_schema() const {
    auto connection = connect();
    const Status made = require_schema(*connection);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return connection;
  }

  // The one number that a query answers.
  static std::int64_t number(Connection& connection, const std::string& sql) {
    const auto rows = connection.query(sql);
    EXPECT_TRUE(rows.ok()) << sql << ": " << (rows.ok() ? "" : rows.error().message);
    if (!rows.ok() || rows->size() == 0) return -1;
    return rows->row(0).int8();
  }

  std::string database_;
};

inline Uuid store_uuid(unsigned number) {
  Uuid uuid{};
  uuid[0] = std::byte{0x5e};
  uuid[15] = static_cast<std::byte>(number);
  return uuid;
}
inline StorePlace place(std::uint64_t offset) {
  return {.cursor = {.segment = 1, .offset = offset}, .mark = offset * 7};
}
inline Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace cairn::postgres
