// SPDX-License-Identifier: Apache-2.0
//
// Operations: one claim at a time, which is lost with its lease, and what is published stays.
#include "tests/results/operations_fixture.h"

namespace cairn {
namespace {

TEST_F(OperationsTest, WhoeverClaimsFirstHasItUntilItIsDone) {
  const Claim mine = claim("k");
  EXPECT_GT(mine.token, 0u);
  const auto other = table_.claim("k").value();
  EXPECT_FALSE(other.claim.has_value());
  EXPECT_EQ(other.operation.state, OperationState::running);
  EXPECT_EQ(other.operation.owner, "00000000000000010000000000000002");
  EXPECT_TRUE(table_.is_running("k").value());
  EXPECT_EQ(state("k"), OperationState::running);
  wall_ns_ = 2'000;
  ASSERT_TRUE(table_.complete(mine, {.bytes = "42", .serializer = "json"}).ok());
  EXPECT_FALSE(table_.is_running("k").value());
  const auto done = table_.claim("k").value();
  EXPECT_FALSE(done.claim.has_value());
  for (const OperationInfo& info : {done.operation, table_.find("k").value(), table_.wait("k").value()}) {
    EXPECT_EQ(info.key, "k");
    EXPECT_EQ(info.state, OperationState::done);
    EXPECT_EQ(info.value.bytes, "42");
    EXPECT_EQ(info.value.serializer, "json");
    EXPECT_EQ(info.value_bytes, 2u);
    EXPECT_EQ(info.attempts, 1u);
    EXPECT_EQ(info.claimed_ns, 1'000);
    EXPECT_EQ(info.finished_ns, 2'000);
  }
  EXPECT_EQ(table_.complete(mine, {.bytes = "43"}).error().code, ErrorCode::conflict);
  EXPECT_EQ(table_.find("k").value().value.bytes, "42");
  EXPECT_EQ(state("other"), OperationState::none);
  EXPECT_EQ(table_.wait("other").value().state, OperationState::none);
}

TEST_F(OperationsTest, WhatFailedSaysWhyAndIsClaimedAgain) {
  const Claim first = claim("k");
  ASSERT_TRUE(table_.fail(first, "no memory").ok());
  EXPECT_EQ(state("k"), OperationState::failed);
  EXPECT_EQ(table_.find("k").value().message, "no memory");
  const Claim second = claim("k");
  EXPECT_GT(second.token, first.token);
  EXPECT_EQ(table_.fail(first, "again").error().code, ErrorCode::conflict);
  ASSERT_TRUE(table_.complete(second, {.bytes = "v"}).ok());
  EXPECT_EQ(table_.find("k").value().attempts, 2u);
}

TEST_F(OperationsTest, AHolderWithoutSignsOfLifeIsRefusedEveryTime) {
  for (const bool taken_over : {true, false}) {
    for (const bool looked_at : {true, false}) {
      const std::string key = std::to_string(taken_over) + std::to_string(looked_at);
      SCOPED_TRACE(key);
      const Claim stalled = claim(key, false);
      store_.time_ns += 999;
      EXPECT_TRUE(table_.is_running(key).value());
      store_.time_ns += 1;
      EXPECT_FALSE(table_.is_running(key).value());
      EXPECT_EQ(state(key), OperationState::abandoned);
      if (looked_at) table_.look_at_leases();
      std::optional<Claim> taker;
      if (taken_over) taker = claim(key, false);
      EXPECT_EQ(table_.complete(stalled, {.bytes = "late"}).error().code, ErrorCode::conflict);
      EXPECT_EQ(table_.fail(stalled, "late").error().code, ErrorCode::conflict);
      EXPECT_EQ(table_.renew(stalled).error().code, ErrorCode::conflict);
      if (!taker) taker = claim(key, false);
      EXPECT_GT(taker->token, stalled.token);
      ASSERT_TRUE(table_.complete(*taker, {.bytes = "in time"}).ok());
      EXPECT_EQ(table_.find(key).value().value.bytes, "in time");
    }
  }
}

TEST_F(OperationsTest, TheTokenIsLookedAtInTheWriteThatPublishes) {
  // The claim is taken over between the holder's look and its write.
  const Claim stalled = claim("k", false);
  std::optional<Claim> taker;
  hooked_.before_write = [&](const auto&) -> std::optional<Error> {
    hooked_.before_write = {};
    store_.time_ns += 1'000;
    taker = claim("k");
    return std::nullopt;
  };
  EXPECT_EQ(table_.complete(stalled, {.bytes = "late"}).error().code, ErrorCode::conflict);
  ASSERT_TRUE(taker.has_value());
  EXPECT_TRUE(table_.is_running("k").value());
  ASSERT_TRUE(table_.complete(*taker, {.bytes = "in time"}).ok());
  EXPECT_EQ(table_.find("k").value().value.bytes, "in time");
}

TEST_F(OperationsTest, WhatIsPublishedBeforeItIsTakenOverStays) {
  const Claim slow = claim("k", false);
  store_.time_ns += 1'000;
  // The holder's write is in between when the taker has looked and is about to write.
  hooked_.before_write = [&](const auto&) -> std::optional<Error> {
    hooked_.before_write = {};
    std::vector<EntryChange> changes;
    changes.push_back({.key = operation_key("k"),
                       .value = encode(OperationRecord{.state = OperationState::done, .bytes = "in time"}),
                       .if_version = slow.token});
    EXPECT_TRUE(store_.write(std::move(changes), {}).ok());
    return std::nullopt;
  };
  std::string told;
  ASSERT_TRUE(table_.on_finished("k", [&](const OperationInfo& info) { told += info.value.bytes; }).ok());
  const auto outcome = table_.claim("k").value();
  EXPECT_FALSE(outcome.claim.has_value());
  EXPECT_EQ(outcome.operation.value.bytes, "in time");
  EXPECT_EQ(told, "in time");
  EXPECT_FALSE(table_.is_running("k").value());
}

TEST_F(OperationsTest, SignsOfLifeKeepAClaim) {
  const Claim renewed = claim("renewed", false), kept = claim("kept"), silent = claim("silent", false);
  store_.time_ns += 900;
  ASSERT_TRUE(table_.renew(renewed).ok());
  table_.look_at_leases();
  store_.time_ns += 900;
  EXPECT_TRUE(table_.is_running("renewed").value());
  EXPECT_TRUE(table_.is_running("kept").value());
  EXPECT_FALSE(table_.is_running("silent").value());
  EXPECT_TRUE(table_.complete(renewed, {}).ok());
  EXPECT_TRUE(table_.complete(kept, {}).ok());
  EXPECT_FALSE(table_.complete(silent, {}).ok());
}

TEST_F(OperationsTest, ALeaseThatIsKeptAliveTooLateIsHeldAndNobodyTakesIt) {
  const Claim late = claim("late");
  store_.time_ns += 5'000;  // as if the thread had not come to its turn, or the machine had slept
  EXPECT_FALSE(table_.claim("late").value().claim.has_value());
  EXPECT_TRUE(table_.is_running("late").value());
  EXPECT_TRUE(table_.complete(late, {.bytes = "v"}).ok());
}

TEST_F(OperationsTest, TheMachinesClockDecidesNothing) {
  const Claim mine = claim("k", false);
  for (const std::int64_t wall : {std::int64_t{-1'000'000'000'000'000'000}, std::int64_t{4'000'000'000'000'000'000}}) {
    wall_ns_ = wall;
    table_.look_at_leases();
    EXPECT_TRUE(table_.is_running("k").value());
  }
  EXPECT_TRUE(table_.complete(mine, {.bytes = "v"}).ok());
}

TEST_F(OperationsTest, ClaimsOfAProcessThatEndedAreFreeAtOnce) {
  for (const char* key : {"a", "b", "c"}) claim(key);
  ASSERT_TRUE(table_.complete(claim("done"), {.bytes = "v"}).ok());
  OperationTable next(store_, options(kOther));
  EXPECT_EQ(next.find("a").value().state, OperationState::abandoned);
  EXPECT_TRUE(next.claim("a").value().claim.has_value());  // even before they are taken over
  EXPECT_EQ(next.take_over().value(), 2u);
  EXPECT_EQ(next.take_over().value(), 0u);
  EXPECT_EQ(next.find("b").value().state, OperationState::failed);
  EXPECT_NE(next.find("b").value().message.find("ended"), std::string::npos);
  EXPECT_EQ(next.find("a").value().state, OperationState::running);
  EXPECT_TRUE(next.claim("c").value().claim.has_value());
  EXPECT_EQ(next.find("done").value().state, OperationState::done);
  // What the first process still believes to hold, it cannot publish.
  EXPECT_EQ(table_.complete({.key = "c", .token = 3}, {.bytes = "late"}).error().code, ErrorCode::conflict);
}

TEST_F(OperationsTest, MoreClaimsThanFitInOneWriteAreTakenOver) {
  for (int i = 0; i < 2'500; ++i) claim("k" + std::to_string(i));
  OperationTable next(store_, options(kOther));
  EXPECT_EQ(next.take_over().value(), 2'500u);
  EXPECT_TRUE(next.list("", 10, OperationState::abandoned).value().operations.empty());
}

TEST_F(OperationsTest, AReaderSeesWhatTheWriterSaysAndClaimsNothing) {
  const Claim mine = claim("k");
  OperationTableOptions reading = options(kOther);
  reading.read_only = true;
  OperationTable reader(store_, reading);
  EXPECT_EQ(reader.find("k").value().state, OperationState::running);
  EXPECT_TRUE(reader.is_running("k").value());
  EXPECT_EQ(reader.claim("k").error().code, ErrorCode::unsupported);
  EXPECT_EQ(reader.wait("k").error().code, ErrorCode::unsupported);
  EXPECT_EQ(reader.on_finished("k", [](const OperationInfo&) {}).error().code, ErrorCode::unsupported);
  ASSERT_TRUE(table_.complete(mine, {.bytes = "v"}).ok());
  EXPECT_EQ(text(reader.get_or_compute("k", [] { return OperationValue{}; })), "v");
}

TEST_F(OperationsTest, AWriteThatFailsLeavesTheClaimHeld) {
  store_.fail_next_write(make_error(ErrorCode::io, "refused"));
  EXPECT_EQ(table_.claim("k").error().code, ErrorCode::io);
  EXPECT_FALSE(table_.is_running("k").value());
  const Claim mine = claim("k");
  store_.fail_next_write(make_error(ErrorCode::io, "refused"));
  EXPECT_EQ(table_.complete(mine, {.bytes = "v"}).error().code, ErrorCode::io);
  EXPECT_TRUE(table_.is_running("k").value());
  EXPECT_TRUE(table_.complete(mine, {.bytes = "v"}).ok());
}

TEST_F(OperationsTest, ListsAreByKeyAndStateWithoutContent) {
  const std::string odd("\0\xff k", 4);
  for (const char* key : {"b", "a", "d"}) ASSERT_TRUE(table_.complete(claim(key), {.bytes = "12345"}).ok());
  ASSERT_TRUE(table_.fail(claim("c"), "why").ok());
  claim(odd);
  claim("gone", false);
  store_.time_ns += 1'000;
  table_.look_at_leases();
  const auto keys = [&](std::size_t limit, std::optional<OperationState> wanted) {
    std::vector<std::string> found;
    OperationPage page;
    do {
      page = table_.list(page.next, limit, wanted).value();
      for (const OperationInfo& info : page.operations) {
        found.push_back(info.key);
        EXPECT_EQ(info.value.bytes, "");
        EXPECT_EQ(info.value_bytes, info.state == OperationState::done ? 5u : 0u);
      }
    } while (!page.next.empty());
    return found;
  };
  using Keys = std::vector<std::string>;
  for (std::size_t limit = 1; limit < 8; ++limit) {
    EXPECT_EQ(keys(limit, {}), (Keys{odd, "a", "b", "c", "d", "gone"}));
    EXPECT_EQ(keys(limit, OperationState::done), (Keys{"a", "b", "d"}));
    EXPECT_EQ(keys(limit, OperationState::failed), (Keys{"c"}));
    EXPECT_EQ(keys(limit, OperationState::running), (Keys{odd}));
    EXPECT_EQ(keys(limit, OperationState::abandoned), (Keys{"gone"}));
  }
}

TEST_F(OperationsTest, WhatIsRemovedIsComputedAgain) {
  const Claim mine = claim("k");
  EXPECT_EQ(table_.remove("k").error().code, ErrorCode::conflict);
  ASSERT_TRUE(table_.complete(mine, {.bytes = "v"}).ok());
  EXPECT_TRUE(table_.remove("k").value().has_value());
  EXPECT_FALSE(table_.remove("k").value().has_value());
  EXPECT_FALSE(table_.remove("").value().has_value());
  EXPECT_GT(claim("k").token, mine.token);
}

TEST_F(OperationsTest, WhatTheCallGetsWrongIsRefused) {
  const auto code = [](const auto& result) { return result.ok() ? std::optional<ErrorCode>() : result.error().code; };
  EXPECT_EQ(code(table_.claim("")), ErrorCode::invalid_argument);
  EXPECT_EQ(code(table_.claim(std::string(2049, 'k'))), ErrorCode::invalid_argument);
  EXPECT_EQ(code(table_.claim("k", {.lease = std::chrono::nanoseconds(0)})), ErrorCode::invalid_argument);
  EXPECT_EQ(code(table_.get_or_compute("k", {})), ErrorCode::invalid_argument);
  EXPECT_EQ(code(table_.on_finished("k", {})), ErrorCode::invalid_argument);
  EXPECT_EQ(code(table_.list("", 0, {})), ErrorCode::invalid_argument);
  const Claim mine = claim(std::string(2048, 'k'));
  EXPECT_EQ(code(table_.complete(mine, {.bytes = std::string(1'000'001, 'x')})), ErrorCode::invalid_argument);
  EXPECT_EQ(code(table_.complete(mine, {.serializer = ""})), ErrorCode::invalid_argument);
  EXPECT_EQ(code(table_.complete({.key = mine.key, .token = 0}, {})), ErrorCode::conflict);
  EXPECT_EQ(code(table_.complete({.key = "never", .token = 1}, {})), ErrorCode::conflict);
  EXPECT_EQ(code(table_.complete(mine, {.bytes = std::string(1'000'000, 'x')})), std::nullopt);
}

TEST_F(OperationsTest, AValueThatIsCutOffNamesTheField) {
  for (const OperationRecord& record :
       {OperationRecord{.state = OperationState::running, .owner = kOwner, .attempts = 1, .claimed_ns = 2},
        OperationRecord{.state = OperationState::done, .finished_ns = 3, .serializer = "json", .bytes = "{}"},
        OperationRecord{.state = OperationState::failed, .message = "why"}}) {
    const std::string value = encode(record);
    EXPECT_EQ(decode_operation(value).value(), record);
    for (std::size_t size = 0; size < value.size(); ++size) {
      const auto cut = decode_operation(std::string_view(value).substr(0, size));
      ASSERT_FALSE(cut.ok()) << size;
      EXPECT_NE(cut.error().message.find("field '"), std::string::npos);
    }
    EXPECT_FALSE(decode_operation(value + "x").ok());
    std::string other = value;
    other[0] = 2;
    EXPECT_EQ(decode_operation(other).error().code, ErrorCode::unsupported);
    other = value;
    other[1] = 4;
    EXPECT_NE(decode_operation(other).error().message.find("'state'"), std::string::npos);
  }
}

}  // namespace
}  // namespace cairn
