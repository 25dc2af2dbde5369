// SPDX-License-Identifier: Apache-2.0
//
// A batch is in the database once, and the cursor is true, wherever the connection or the server fails.
#include <signal.h>

#include <thread>

#include "replication/postgres/read.h"
#include "replication/retry.h"
#include "tests/replication/postgres/message_proxy.h"
#include "tests/replication/postgres/sample_rows.h"

namespace cairn::postgres {
namespace {

// The last is SIGKILL of the session's process: the server ends all sessions, recovers and is back.
enum class Fault : std::uint8_t { cut, hang, terminated, killed };
constexpr const char* kFaults[] = {"cut", "hang", "terminated", "killed"};

struct Case {
  Fault fault;
  bool copied;
};

class ExactlyOnceTest : public PostgresTest, public ::testing::WithParamInterface<Case> {
 protected:
  static constexpr std::uint64_t kEach = 5;

  void SetUp() override {
    PostgresTest::SetUp();
    direct_ = connect_with_schema();
    // What was committed leaves a trace for each time.
    CAIRN_ASSERT_OK(
        direct_->run("CREATE TABLE public.trace (hash text);"
                     "CREATE FUNCTION public.trace() RETURNS trigger LANGUAGE plpgsql AS "
                     "$$ BEGIN INSERT INTO public.trace VALUES (NEW.architecture_hash); RETURN NEW; END $$;"
                     "CREATE TRIGGER trace AFTER INSERT OR UPDATE ON cairn.evaluations FOR EACH ROW EXECUTE FUNCTION "
                     "public.trace()"));
  }

  // Of the chain of batches of one store: some new evaluations, one of the batch before is removed, a name moves on.
  static Batch batch(std::uint64_t number, unsigned store = 1) {
    Batch batch(store_uuid(store), number == 0 ? StorePlace() : place(number), place(number + 1));
    for (std::uint64_t i = 0; i < kEach; ++i) EXPECT_TRUE(batch.put(evaluation(number * kEach + i)).ok());
    if (number > 0) {
      EXPECT_TRUE(batch.remove(evaluation((number - 1) * kEach).key).ok());
    }
    EXPECT_TRUE(batch.put(snapshots()[number % 2]).ok());
    RefRow ref = refs()[0];
    ref.snapshot = snapshots()[number % 2].key.id;
    EXPECT_TRUE(batch.put(ref).ok());
    return batch;
  }
  static ApplyOptions options() { return {.copy_rows_min = GetParam().copied ? 0u : 1'000'000u}; }

  void expect_once(std::uint64_t batches) {
    EXPECT_EQ(number(*direct_, "SELECT count(*) FROM public.trace"), static_cast<std::int64_t>(batches * kEach));
    EXPECT_EQ(number(*direct_, "SELECT count(DISTINCT hash) FROM public.trace"),
              static_cast<std::int64_t>(batches * kEach));
    EXPECT_EQ(number(*direct_, "SELECT count(*) FROM cairn.evaluations"),
              static_cast<std::int64_t>(batches * kEach - (batches - 1)));
    EXPECT_EQ(number(*direct_, "SELECT count(*) FROM cairn.snapshots"), 1);
    EXPECT_EQ(*read_place(*direct_, store_uuid(1)), place(batches));
  }

  // `passed`: the session was over before it came to the message of that number. The batch is applied behind the fault
  // all the same.
  void expect_once_behind_a_fault(std::size_t at, std::uint64_t batch_number, bool& passed) {
    std::atomic<bool> came = false;
    const auto decide = [&](std::size_t message) {
      if (message != at) return MessageProxy::Do::pass;
      came = true;
      if (GetParam().fault == Fault::cut) return MessageProxy::Do::cut;
      if (GetParam().fault == Fault::hang) return MessageProxy::Do::hang;
      if (GetParam().fault == Fault::killed) {
        const auto pid = number(*killer_,
                                "SELECT coalesce(max(pid), 0)::bigint FROM pg_stat_activity "
                                "WHERE datname = current_database() AND pid <> pg_backend_pid()");
        if (pid > 0) {
          EXPECT_EQ(::kill(static_cast<pid_t>(pid), SIGKILL), 0);
          // Until the server has noticed, and ends all others as well.
          EXPECT_FALSE(killer_->run("SELECT pg_sleep(60)").ok());
        }
        return MessageProxy::Do::pass;
      }
      // All of this database but the one that asks.
      const auto ended = killer_->query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
          "WHERE datname = current_database() AND pid <> pg_backend_pid()");
      EXPECT_TRUE(ended.ok());
      return MessageProxy::Do::pass;
    };
    bool said = false;
    {
      MessageProxy proxy(std::stoi(port()), decide);
      if (ends_sessions()) {
        direct_.reset();  // is none of those that may be ended
        killer_ = connect_again();
      }
      const auto limit = std::chrono::milliseconds(GetParam().fault == Fault::hang ? 3'000 : 60'000);
      auto connection = Connection::open(
          {.text = Secret(address_of(database_, proxy.port())), .connect_timeout = limit, .statement_timeout = limit});
      if (connection.ok()) {
        const auto applied = apply(**connection, batch(batch_number), options());
        said = applied.ok();
        if (!said) {
          EXPECT_TRUE(applied.error().retryable) << applied.error().message;
          EXPECT_TRUE((*connection)->is_broken() || GetParam().fault == Fault::hang) << applied.error().message;
        }
      } else {
        EXPECT_TRUE(connection.error().retryable) << connection.error().message;
      }
    }
    if (ends_sessions()) direct_ = connect_again();
    const auto again = apply(*direct_, batch(batch_number), options());
    CAIRN_ASSERT_OK(again);
    if (said) {
      EXPECT_EQ(*again, Applied::before);
    }
    passed = said && !came;
    expect_once(batch_number + 1);
  }

  static bool ends_sessions() { return GetParam().fault == Fault::terminated || GetParam().fault == Fault::killed; }
  // A server that recovers refuses for a while.
  std::unique_ptr<Connection> connect_again() const {
    const RetryPolicy policy{.attempts_max = 1'000, .delay_max = std::chrono::milliseconds(200)};
    const RetryClock clock = system_retry_clock();
    Retry retry(policy, clock);
    while (true) {
      auto connection = try_connect();
      // What was said before the sessions ended may be the answer of one that ends.
      if (connection.ok() && (*connection)->run("SELECT 1").ok()) return std::move(connection).value();
      if (!connection.ok() && !retry.again(connection.error())) {
        ADD_FAILURE() << connection.error().message;
        return connect();
      }
    }
  }

  std::unique_ptr<Connection> direct_, killer_;
};
INSTANTIATE_TEST_SUITE_P(, ExactlyOnceTest,
                         ::testing::Values(Case{Fault::cut, true}, Case{Fault::cut, false}, Case{Fault::hang, true},
                                           Case{Fault::hang, false}, Case{Fault::terminated, true},
                                           Case{Fault::terminated, false}, Case{Fault::killed, true},
                                           Case{Fault::killed, false}),
                         [](const auto& one) {
                           return std::string(kFaults[static_cast<std::size_t>(one.param.fault)]) +
                                  (one.param.copied ? "_copied" : "_row_by_row");
                         });

TEST_P(ExactlyOnceTest, AFaultAtAnyMessageLeavesTheBatchOnceOrNotAtAll) {
  const bool long_scale =
      std::getenv("CAIRN_TEST_SCALE") != nullptr && std::string_view(std::getenv("CAIRN_TEST_SCALE")) == "long";
  // A hang costs its time limit, and being ended a connection more.
  constexpr std::size_t kQuickSteps[] = {3, 53, 7, 13}, kLongSteps[] = {1, 23, 1, 3};
  const std::size_t step = (long_scale ? kLongSteps : kQuickSteps)[static_cast<std::size_t>(GetParam().fault)];
  std::uint64_t batches = 0;
  std::size_t at = 0;
  for (bool passed = false; !passed && at < 1'000; at += step) {
    SCOPED_TRACE("message " + std::to_string(at));
    expect_once_behind_a_fault(at, batches++, passed);
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
  RecordProperty("messages", static_cast<int>(at));
  EXPECT_GT(at, 40u) << "too few messages to have seen a session";
  EXPECT_LT(at, 1'000u);
}

TEST_F(PostgresTest, EightWhoSayTheSameSayItOnce) {
  const auto connection = connect_with_schema();
  constexpr std::uint64_t kBatches = 20;
  std::atomic<std::uint64_t> now = 0, before = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto own = connect();
      for (std::uint64_t number = 0; number < kBatches; ++number) {
        Batch batch(store_uuid(1), number == 0 ? StorePlace() : place(number), place(number + 1));
        for (std::uint64_t k = 0; k < 3; ++k) EXPECT_TRUE(batch.put(evaluation(number * 3 + k)).ok());
        const auto applied = apply(*own, batch, {.copy_rows_min = i % 2 == 0 ? 0u : 1'000'000u});
        if (applied.ok()) ++(*applied == Applied::now ? now : before);
        // Others may be further by now.
        if (!applied.ok()) {
          EXPECT_EQ(applied.error().code, ErrorCode::conflict) << applied.error().message;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(now, kBatches);
  EXPECT_EQ(*read_place(*connection, store_uuid(1)), place(kBatches));
  EXPECT_EQ(number(*connection, "SELECT count(*) FROM cairn.evaluations"), static_cast<std::int64_t>(kBatches * 3));
}

TEST_F(PostgresTest, ABatchOfAnotherHistoryIsRefused) {
  const auto connection = connect_with_schema();
  Batch first(store_uuid(1), {}, place(10));
  CAIRN_ASSERT_OK(first.put(evaluation(1)));
  CAIRN_ASSERT_OK(apply(*connection, first));
  EXPECT_EQ(*apply(*connection, first), Applied::before);
  StorePlace other = place(10);
  other.mark = 3;
  for (const auto& [from, to] : {std::pair(StorePlace(), place(20)), std::pair(StorePlace(), other),
                                 std::pair(other, place(20)), std::pair(place(20), place(30))}) {
    Batch batch(store_uuid(1), from, to);
    CAIRN_ASSERT_OK(batch.remove(evaluation(1).key));
    const auto applied = apply(*connection, batch);
    ASSERT_FALSE(applied.ok());
    EXPECT_EQ(applied.error().code, ErrorCode::conflict);
    EXPECT_FALSE(applied.error().retryable);
  }
  EXPECT_EQ(number(*connection, "SELECT count(*) FROM cairn.evaluations"), 1);
}

}  // namespace
}  // namespace cairn::postgres
