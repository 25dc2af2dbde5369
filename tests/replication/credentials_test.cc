// SPDX-License-Identifier: Apache-2.0
//
// Credentials over time: asked for once, renewed before they expire, never used after.
#include "replication/s3/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace cairn::s3 {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

Credentials lasting(std::string id, std::optional<Time> expires) {
  return {
      .key = {.id = std::move(id), .secret = Secret("s"), .session_token = {}}, .expires = expires, .source = "a test"};
}

class CredentialChainTest : public ::testing::Test {
 protected:
  CredentialChain chain() {
    return CredentialChain({[this]() -> Result<std::optional<Credentials>> {
                             ++asked_;
                             return next_;
                           }},
                           [this] { return Time(now_.load()); });
  }
  static std::string id_of(CredentialChain& chain) {
    const auto credentials = chain.get();
    return credentials.ok() ? credentials->key.id : credentials.error().message;
  }

  std::atomic<seconds> now_{std::chrono::hours(1'000)};
  Result<std::optional<Credentials>> next_ = std::optional<Credentials>();
  std::atomic<int> asked_ = 0;
};

TEST_F(CredentialChainTest, TheFirstSourceThatHasSomeIsUsedAndAFailedOneIsNotPassedOver) {
  const auto nothing = []() -> Result<std::optional<Credentials>> { return std::optional<Credentials>(); };
  const auto broken = []() -> Result<std::optional<Credentials>> { return Error{.message = "half a pair"}; };
  const auto some = [](std::string id) {
    return [id]() -> Result<std::optional<Credentials>> { return std::optional<Credentials>(lasting(id, {})); };
  };
  const auto now = [] { return Time(); };
  CredentialChain first({nothing, some("A"), some("B"), broken}, now);
  EXPECT_EQ(id_of(first), "A");
  CredentialChain second({nothing, broken, some("B")}, now);
  EXPECT_EQ(id_of(second), "half a pair");
  CredentialChain none({nothing, nothing}, now);
  EXPECT_THAT(id_of(none), HasSubstr("no credentials for S3: set AWS_ACCESS_KEY_ID"));
}

TEST_F(CredentialChainTest, ThoseThatDoNotExpireAreAskedForOnce) {
  next_ = std::optional(lasting("A", {}));
  auto credentials = chain();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(id_of(credentials), "A");
    now_ = now_.load() + std::chrono::hours(10'000);
  }
  EXPECT_EQ(asked_, 1);
  credentials.forget("another");
  EXPECT_EQ(id_of(credentials), "A");
  EXPECT_EQ(asked_, 1);
  credentials.forget("A");
  next_ = std::optional(lasting("B", {}));
  EXPECT_EQ(id_of(credentials), "B");
}

TEST_F(CredentialChainTest, TheyAreRenewedFiveMinutesBeforeTheyExpire) {
  const seconds began = now_;
  next_ = std::optional(lasting("A", Time(began + minutes(60))));
  auto credentials = chain();
  EXPECT_EQ(id_of(credentials), "A");
  next_ = std::optional(lasting("B", Time(began + minutes(120))));
  now_ = began + minutes(55) - seconds(1);
  EXPECT_EQ(id_of(credentials), "A");
  now_ = began + minutes(55);
  EXPECT_EQ(id_of(credentials), "B");
  EXPECT_EQ(asked_, 2);
}

TEST_F(CredentialChainTest, WhatStillHoldsIsUsedWhenRenewingFailsAndNotASecondLonger) {
  const seconds began = now_;
  next_ = std::optional(lasting("A", Time(began + minutes(60))));
  auto credentials = chain();
  EXPECT_EQ(id_of(credentials), "A");
  next_ = Error{.message = "the endpoint answered 500", .retryable = true};
  now_ = began + minutes(56);
  EXPECT_EQ(id_of(credentials), "A");
  EXPECT_EQ(id_of(credentials), "A");
  EXPECT_EQ(asked_, 2) << "a failed source is left alone for a while";
  now_ = began + minutes(56) + seconds(10);
  EXPECT_EQ(id_of(credentials), "A");
  EXPECT_EQ(asked_, 3);
  now_ = began + minutes(60) - seconds(1);
  EXPECT_EQ(id_of(credentials), "A");
  now_ = began + minutes(60);
  EXPECT_EQ(
      id_of(credentials),
      "the credentials from a test expired at 1970-02-11T17:00:00Z and were not renewed: the endpoint answered 500");
  next_ = std::optional(lasting("B", {}));
  EXPECT_EQ(id_of(credentials), "B");
}

TEST_F(CredentialChainTest, OnesThatHaveExpiredAlreadyAreAnErrorThatSaysSo) {
  next_ = std::optional(lasting("A", Time(now_.load())));
  auto credentials = chain();
  EXPECT_EQ(id_of(credentials), "the credentials from a test expired at 1970-02-11T16:00:00Z");
}

TEST_F(CredentialChainTest, OthersGoOnWithTheOldWhileOneRenews) {
  const seconds began = now_;
  std::promise<void> asking, go_on;
  std::atomic<int> asked = 0;
  CredentialChain credentials({[&]() -> Result<std::optional<Credentials>> {
                                if (asked++ == 0) return std::optional(lasting("A", Time(began + minutes(60))));
                                asking.set_value();
                                go_on.get_future().wait();
                                return std::optional(lasting("B", {}));
                              }},
                              [this] { return Time(now_.load()); });
  EXPECT_EQ(id_of(credentials), "A");
  now_ = began + minutes(57);
  std::string renewed;
  std::thread renewing([&] { renewed = id_of(credentials); });
  asking.get_future().wait();
  EXPECT_EQ(id_of(credentials), "A");
  go_on.set_value();
  renewing.join();
  EXPECT_EQ(renewed, "B");
  EXPECT_EQ(id_of(credentials), "B");
  EXPECT_EQ(asked, 2);
}

TEST_F(CredentialChainTest, ManyThreadsAskOnce) {
  next_ = std::optional(lasting("A", {}));
  auto credentials = chain();
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { right += id_of(credentials) == "A"; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 8);
  EXPECT_EQ(asked_, 1);
}

TEST(TimeTextTest, TimesOfHttpAreReadWhereEveryFieldHasItsPlace) {
  EXPECT_EQ(readable_time(read_http_time("Fri, 24 May 2013 00:00:00 GMT").value()), "2013-05-24T00:00:00Z");
  EXPECT_EQ(readable_time(read_http_time("Thu, 29 Feb 2024 23:59:58 GMT").value()), "2024-02-29T23:59:58Z");
  for (const char* text :
       {"", "Fri, 24 May 2013 00:00:00 UTC", "Fri, 24 may 2013 00:00:00 GMT", "Fri, 24 anF 2013 00:00:00 GMT",
        "Thu, 29 Feb 2023 23:59:58 GMT", "Fri, 24 May 2013 00:00:0a GMT", "Friday, 24-May-13 00:00:00 GMT",
        "Fri, -4 May 2013 00:00:00 GMT", "Fri, 24 May 2013 25:00:00 GMT", "Fri, 24 May 2013 00:00:00 GMT "}) {
    EXPECT_FALSE(read_http_time(text)) << text;
  }
}

TEST(TimeTextTest, TimesAreReadAndWritten) {
  const Time time = std::chrono::sys_days(std::chrono::year(2024) / 2 / 29) + seconds(3600 * 23 + 60 * 59 + 58);
  EXPECT_EQ(compact_time(time), "20240229T235958Z");
  EXPECT_EQ(readable_time(time), "2024-02-29T23:59:58Z");
  for (const char* text : {"2024-02-29T23:59:58Z", "2024-02-29T23:59:58.123456Z", "2024-02-29T23:59:58+00:00"}) {
    EXPECT_EQ(parse_time(text).value(), time) << text;
  }
  EXPECT_EQ(parse_time("2016-12-31T23:59:60Z").value(), parse_time("2017-01-01T00:00:00Z").value());
  EXPECT_EQ(compact_time(Time(seconds(-1))), "19700101T000000Z");
  EXPECT_EQ(compact_time(Time::max()), "99991231T235959Z");
  for (const char* text :
       {"", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-02-29 23:59:58Z", "2024-02-29T24:00:00Z",
        "2024-02-29T23:60:00Z", "2024-02-29T23:59:61Z", "2024-02-29T23:59:58", "2024-02-29T23:59:58.Z",
        "2024-02-29T23:59:58+01:00", "2024-02-29T23:59:58Zx", "-024-02-29T23:59:58Z", "1969-12-31T23:59:59Z",
        "2024-02-29T23:59:58.1"}) {
    EXPECT_FALSE(parse_time(text).ok()) << text;
  }
}

}  // namespace
}  // namespace cairn::s3
