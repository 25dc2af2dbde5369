// SPDX-License-Identifier: Apache-2.0
//
// What a connection refuses, how long it waits, and what its errors say.
#include <thread>

#include "replication/postgres/errors.h"
#include "tests/replication/postgres/fixture.h"
#include "tests/replication/postgres/message_proxy.h"

namespace cairn::postgres {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class ConnectionTest : public PostgresTest {
 protected:
  static Result<std::unique_ptr<Connection>> open(const std::string& text) {
    return Connection::open({.text = Secret(text), .connect_timeout = std::chrono::seconds(5)});
  }
};

TEST_F(ConnectionTest, ErrorsHaveACodeAndNoSecret) {
  const std::string at = "host=127.0.0.1 port=" + port() + " sslmode=disable ";
  struct {
    std::string text;
    ErrorCode code;
    bool retryable;
    const char* words;
  } const cases[] = {
      {at + "user=postgres password=a-wrong-secret", ErrorCode::invalid_argument, false, "28P01"},
      {at + "user=nobody-here password=a-wrong-secret", ErrorCode::invalid_argument, false, "28P01"},
      {at + "user=postgres dbname=none password=" + password(), ErrorCode::not_found, false, "3D000"},
      {"host=127.0.0.1 port=1 sslmode=disable user=postgres password=a-wrong-secret", ErrorCode::io, true, "refused"},
      {"postgresql://postgres:a-wrong-secret@127.0.0.1:x/", ErrorCode::io, true, ""},
      {"postgresql://postgres:a-wrong-secret@[::1", ErrorCode::invalid_argument, false, "cannot be read"},
      {"password=a-wrong-secret nonsense", ErrorCode::invalid_argument, false, "cannot be read"},
      {"a-wrong-secret", ErrorCode::invalid_argument, false, "cannot be read"},
      {"pass word=a-wrong-secret", ErrorCode::invalid_argument, false, "cannot be read"},
  };
  for (const auto& one : cases) {
    const auto connection = open(one.text);
    ASSERT_FALSE(connection.ok());
    const Error& error = connection.error();
    SCOPED_TRACE(error.message);
    if (*one.words != '\0') {
      EXPECT_EQ(error.code, one.code);
      EXPECT_EQ(error.retryable, one.retryable);
    }
    EXPECT_THAT(error.message, HasSubstr(one.words));
    EXPECT_THAT(error.message, Not(HasSubstr("a-wrong-secret")));
    EXPECT_THAT(error.message, Not(HasSubstr(password())));
    EXPECT_THAT(error.message, Not(HasSubstr("\n")));
  }
}

TEST_F(ConnectionTest, AServerThatRepeatsThePasswordIsNotQuoted) {
  const auto connection = connect();
  const Status status = connection->run("DO $$ BEGIN RAISE EXCEPTION 'you said " + password() + "'; END $$");
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("you said ***"));
  // Wherever the words are cut.
  for (int before = 270; before < 310; ++before) {
    const Status cut = connection->run("DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', " + std::to_string(before) +
                                       ") || '" + password() + "'; END $$");
    ASSERT_FALSE(cut.ok());
    EXPECT_THAT(cut.error().message, Not(HasSubstr(password().substr(0, 3))));
  }
}

TEST_F(ConnectionTest, AnErrorLeavesTheConnectionAsItWas) {
  const auto connection = connect();
  EXPECT_EQ(connection->run("SELECT 1 / 0").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(connection->query("SELECT * FROM nothing").error().code, ErrorCode::not_found);
  const Call calls[] = {{"SELECT 1::bigint", {}}, {"SELECT 1 / 0", {}}, {"SELECT 2::bigint", {}}};
  const auto failed = connection->pipeline(calls);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(sqlstate_in(failed.error().message), "22012");
  for (int i = 0; i < 2; ++i) {
    const auto rows = connection->pipeline(std::span(calls, 1));
    CAIRN_ASSERT_OK(rows);
    EXPECT_EQ(rows->front().row(0).int8(), 1);
  }
  EXPECT_FALSE(connection->copy_in("COPY nothing FROM STDIN", [] { return std::string_view(); }).ok());
  EXPECT_EQ(number(*connection, "SELECT 3::bigint"), 3);
  EXPECT_FALSE(connection->is_broken());
}

TEST_F(ConnectionTest, AnErrorInATransactionIsTheOneThatIsTold) {
  const auto connection = connect();
  const Call calls[] = {{"SELECT 1::bigint", {}}, {"SELECT 1 / 0", {}}, {"SELECT 2::bigint", {}}};
  for (int i = 0; i < 3; ++i) {
    const Status failed = in_transaction(*connection, [&] {
      const auto rows = connection->pipeline(calls);
      return rows.ok() ? Status() : Status(rows.error());
    });
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(sqlstate_in(failed.error().message), "22012") << failed.error().message;
  }
  for (const std::size_t at : {2, 0}) {
    const auto rows = connection->pipeline(std::span(calls).subspan(at, 1));
    CAIRN_ASSERT_OK(rows);
    EXPECT_EQ(rows->front().row(0).int8(), at == 0 ? 1 : 2);
  }
  // One statement that was prepared before each error, and no more of them.
  EXPECT_EQ(number(*connection, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%1::bigint'"), 1);
}

TEST_F(ConnectionTest, AStatementEndsAtItsTimeLimitAndSoDoesASilentServer) {
  auto connection = try_connect(port(), std::chrono::milliseconds(200));
  CAIRN_ASSERT_OK(connection);
  const Status slow = (*connection)->run("SELECT pg_sleep(600)");
  ASSERT_FALSE(slow.ok());
  EXPECT_EQ(sqlstate_in(slow.error().message), "57014");
  EXPECT_FALSE((*connection)->is_broken());
  std::atomic<bool> hangs = false;
  MessageProxy proxy(std::stoi(port()),
                     [&](std::size_t) { return hangs ? MessageProxy::Do::hang : MessageProxy::Do::pass; });
  connection = try_connect(proxy.port(), std::chrono::milliseconds(200));
  CAIRN_ASSERT_OK(connection);
  hangs = true;
  const Status silent = (*connection)->run("SELECT 1");
  ASSERT_FALSE(silent.ok());
  EXPECT_TRUE(silent.error().retryable);
  EXPECT_TRUE((*connection)->is_broken());
  EXPECT_FALSE((*connection)->run("SELECT 1").ok());
}

// Without it both would wait for an hour.
TEST_F(ConnectionTest, AStopEndsAStatementAndTheWayToTheServer) {
  const auto hour = std::chrono::hours(1);
  auto stop = StopEvent::create();
  CAIRN_ASSERT_OK(stop);
  auto connection = Connection::open({.text = Secret(address_of(database_)), .statement_timeout = hour}, stop->get());
  CAIRN_ASSERT_OK(connection);
  std::thread stopping([&] {
    const auto other = connect();
    while (number(*other, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(3600)%'") == 0) {
    }
    (*stop)->stop();
  });
  const Status slept = (*connection)->run("SELECT pg_sleep(3600)");
  stopping.join();
  ASSERT_FALSE(slept.ok());
  EXPECT_EQ(slept.error().code, ErrorCode::cancelled) << slept.error().message;
  EXPECT_FALSE(slept.error().retryable);
  EXPECT_TRUE((*connection)->is_broken());
  EXPECT_FALSE((*stop)->sleep(hour));
  CAIRN_ASSERT_OK(connect()->run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(3600)%'"));

  stop = StopEvent::create();
  CAIRN_ASSERT_OK(stop);
  EXPECT_TRUE((*stop)->sleep(std::chrono::milliseconds(1)));
  // Asked on the proxy's thread, when the client has said its first word.
  MessageProxy proxy(std::stoi(port()), [&](std::size_t) {
    (*stop)->stop();
    return MessageProxy::Do::hang;
  });
  const auto connected =
      Connection::open({.text = Secret(address_of(database_, proxy.port())), .connect_timeout = hour}, stop->get());
  ASSERT_FALSE(connected.ok());
  EXPECT_EQ(connected.error().code, ErrorCode::cancelled) << connected.error().message;
}

TEST_F(ConnectionTest, WhatIsKeptAndShownHasNoPassword) {
  for (const char* const fine : {"postgresql://host/db", "postgres://user@host:5433/db?sslmode=require&passfile=/p",
                                 "postgresql:///db?host=/run/postgresql", "postgresql://"}) {
    EXPECT_TRUE(check_shown(fine).ok()) << fine;
  }
  for (const char* const refused :
       {"postgresql://u:canary@host/db", "postgres://u:canary@host/db", "postgresql://host/db?password=canary",
        "postgresql://host/db?pass%77ord=canary", "postgresql://host/db?sslpassword=canary",
        "postgresql://u:can%61ry@[::1", "postgresql://u:canary@host/db?canary=1"}) {
    const Status status = check_shown(refused);
    ASSERT_FALSE(status.ok()) << refused;
    EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(status.error().message, Not(HasSubstr("canary")));
  }
}

TEST_F(ConnectionTest, WhoeverNamesAnAuthorityHasTheServerVerifiedHereToo) {
  const auto keywords = keywords_behind({.text = Secret("postgresql://localhost/x"), .ca_file = "/ca.pem"});
  CAIRN_ASSERT_OK(keywords);
  EXPECT_THAT(*keywords, Contains(Keyword("sslmode", "verify-full")));
  EXPECT_THAT(*keywords, Contains(Keyword("sslrootcert", "/ca.pem")));
}

TEST_F(ConnectionTest, ADatabaseThatCannotHoldEveryTextIsRefused) {
  const auto connection = connect();
  CAIRN_ASSERT_OK(connection->run("DROP DATABASE IF EXISTS latin"));
  CAIRN_ASSERT_OK(connection->run("CREATE DATABASE latin ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'"));
  const auto refused = open(address_of("latin"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
}

TEST_F(ConnectionTest, TheUnixSocketNeedsNoTls) {
  const auto connection = open("host=" + of_environment("CAIRN_POSTGRES_SOCKETS") + " port=" + port() +
                               " user=postgres dbname=" + database_ + " password=" + password());
  CAIRN_ASSERT_OK(connection);
}

TEST_F(ConnectionTest, ElsewhereNobodyIsSpokenToWhoseCertificateIsNotKnown) {
  // This machine by a name that does not say so.
  const std::string elsewhere = "host=2130706433 port=" + port() + " user=postgres password=" + password();
  const auto refused = open(elsewhere);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("certificate"));
  CAIRN_ASSERT_OK(open(elsewhere + " sslmode=disable"));
}

TEST(AddressTest, TlsIsVerifiedInFullUnlessTheHostIsHereOrSomebodySaidOtherwise) {
  const Keyword verified{"sslmode", "verify-full"};
  for (const char* const here :
       {"", "host=/run/postgresql", "host=localhost", "host=127.0.0.1", "host=127.3.2.1", "host=::1", "host=@abstract",
        "host=localhost,/tmp", "host=db.example hostaddr=127.0.0.1", "postgresql://localhost/x", "postgresql:///x"}) {
    const auto keywords = keywords_behind({.text = Secret(here)});
    CAIRN_ASSERT_OK(keywords);
    EXPECT_THAT(*keywords, Not(Contains(verified))) << here;
  }
  for (const char* const elsewhere :
       {"host=db.example", "host=10.0.0.1", "host=127.0.0.1.example", "host=localhost,db.example", "hostaddr=10.0.0.1",
        "host=localhost hostaddr=10.0.0.1", "service=any", "postgresql://u:p@db.example/x", "host=localhost.example"}) {
    const auto keywords = keywords_behind({.text = Secret(elsewhere)});
    CAIRN_ASSERT_OK(keywords);
    EXPECT_THAT(*keywords, Contains(verified)) << elsewhere;
  }
  const auto said = keywords_behind({.text = Secret("host=db.example sslmode=require")});
  CAIRN_ASSERT_OK(said);
  EXPECT_THAT(*said, Not(Contains(verified)));
}

TEST_F(ConnectionTest, ACertificateIsForItsHostAndFromAKnownAuthority) {
  const std::string folder = of_environment("CAIRN_POSTGRES_CERTIFICATES");
  if (folder.empty()) GTEST_SKIP() << "no openssl to make certificates with";
  const std::string user = " hostaddr=127.0.0.1 port=" + port() + " user=postgres dbname=" + database_ +
                           " sslmode=verify-full password=" + password() + " sslrootcert=" + folder;
  CAIRN_ASSERT_OK(open("host=localhost" + user + "/ca.pem"));
  for (const std::string& refused : {"host=other.example" + user + "/ca.pem", "host=localhost" + user + "/other-ca.pem",
                                     "host=localhost" + user + "/none.pem"}) {
    const auto connection = open(refused);
    ASSERT_FALSE(connection.ok());
    EXPECT_THAT(connection.error().message, HasSubstr("certificate"));
    EXPECT_THAT(connection.error().message, Not(HasSubstr(password())));
    EXPECT_FALSE(connection.error().retryable) << connection.error().message;
  }
}

}  // namespace
}  // namespace cairn::postgres
