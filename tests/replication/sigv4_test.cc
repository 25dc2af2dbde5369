// SPDX-License-Identifier: Apache-2.0
//
// Signatures against the examples that AWS publishes in the S3 API reference, "Authenticating Requests: Using the
// Authorization Header" and "Using Query Parameters".
#include "replication/s3/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

namespace cairn::s3 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kScope =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
const Time kTime = std::chrono::sys_days(std::chrono::year(2013) / 5 / 24);
const Endpoint kAws{.tls = true, .host = "s3.amazonaws.com", .port = 443};

AccessKey example_key() { return {.id = "AKIAIOSFODNN7EXAMPLE", .secret = Secret(kSecret), .session_token = {}}; }

Request example(std::string method, std::string_view key, std::vector<QueryItem> query, std::vector<Header> headers,
                std::string_view hash = kEmpty) {
  auto target = request_target(kAws, Addressing::virtual_host, "examplebucket", key);
  EXPECT_TRUE(target.ok());
  return {.method = std::move(method),
          .target = *target,
          .query = std::move(query),
          .headers = std::move(headers),
          .payload_hash = std::string(hash)};
}

std::string authorization(const Request& request) {
  const auto added = sign(request, example_key(), "us-east-1", kTime);
  if (!added.ok()) return added.error().message;
  EXPECT_EQ(added->back().name, "Authorization");
  return added->back().value;
}

std::string refusal(const Request& request, const AccessKey& key = example_key(),
                    std::string_view region = "us-east-1") {
  const auto added = sign(request, key, region, kTime);
  if (added.ok()) return "it was signed";
  EXPECT_EQ(added.error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(added.error().retryable);
  EXPECT_THAT(added.error().message, Not(HasSubstr(kSecret)));
  return added.error().message;
}

TEST(Sigv4Test, AGetOfARangeIsSignedAsPublished) {
  EXPECT_EQ(authorization(example("GET", "test.txt", {}, {{"Range", "bytes=0-9"}})),
            std::string(kScope) +
                ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date"
                ",Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(Sigv4Test, APutIsSignedAsPublished) {
  const auto hash = payload_hash(std::as_bytes(std::span(std::string_view("Welcome to Amazon S3."))));
  ASSERT_TRUE(hash.ok());
  EXPECT_EQ(*hash, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  EXPECT_EQ(authorization(example(
                "PUT", "test$file.text", {},
                {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}, *hash)),
            std::string(kScope) +
                ",SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"
                ",Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(Sigv4Test, AQueryWithoutAValueIsSignedAsPublished) {
  EXPECT_EQ(authorization(example("GET", "", {{"lifecycle", ""}}, {})),
            std::string(kScope) +
                ",SignedHeaders=host;x-amz-content-sha256;x-amz-date"
                ",Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(Sigv4Test, AListingIsSignedAsPublishedWhateverTheOrderOfItsQuery) {
  const std::string published = std::string(kScope) +
                                ",SignedHeaders=host;x-amz-content-sha256;x-amz-date"
                                ",Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
  EXPECT_EQ(authorization(example("GET", "", {{"max-keys", "2"}, {"prefix", "J"}}, {})), published);
  EXPECT_EQ(authorization(example("GET", "", {{"prefix", "J"}, {"max-keys", "2"}}, {})), published);
}

TEST(Sigv4Test, AUrlIsPresignedAsPublished) {
  const auto url = presigned_url(kAws, example("GET", "test.txt", {}, {}), example_key(), "us-east-1", kTime,
                                 std::chrono::seconds(86400));
  ASSERT_TRUE(url.ok()) << url.error().message;
  EXPECT_EQ(*url,
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(Sigv4Test, ASessionTokenIsSentAndSigned) {
  AccessKey key = example_key();
  key.session_token = Secret("a token");
  EXPECT_THAT(refusal(example("GET", "k", {}, {}), key), HasSubstr("session token of access key 'AKIA"));
  key.session_token = Secret("TOKEN==");
  const auto added = sign(example("GET", "k", {}, {}), key, "us-east-1", kTime);
  ASSERT_TRUE(added.ok());
  ASSERT_EQ(added->size(), 4u);
  EXPECT_EQ(added->at(2).name, "x-amz-security-token");
  EXPECT_EQ(added->at(2).value, "TOKEN==");
  EXPECT_THAT(added->back().value, HasSubstr("host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
  const auto url = presigned_url(kAws, example("GET", "k", {}, {}), key, "us-east-1", kTime, std::chrono::seconds(1));
  ASSERT_TRUE(url.ok());
  EXPECT_THAT(*url, HasSubstr("&X-Amz-Security-Token=TOKEN%3D%3D&"));
}

TEST(Sigv4Test, AnyChangeOfWhatIsSignedChangesTheSignature) {
  const Request request = example("GET", "key", {{"versionId", "7"}}, {{"x-amz-meta-a", "b"}});
  std::vector<Request> changed(6, request);
  changed[0].method = "PUT";
  changed[1].target.path = "/kez";
  changed[2].target.host = "other.s3.amazonaws.com";
  changed[3].query[0].value = "8";
  changed[4].headers[0].value = "c";
  changed[5].payload_hash = kUnsignedPayload;
  for (const Request& other : changed) EXPECT_NE(authorization(other), authorization(request));
  EXPECT_NE(sign(request, example_key(), "us-east-1", kTime + std::chrono::seconds(1))->back().value,
            authorization(request));
}

TEST(Sigv4Test, SpacesAreFoldedAndHeadersThatComeTwiceAreOneList) {
  EXPECT_EQ(authorization(example("PUT", "k", {}, {{"X-Amz-Meta-A", "  a   b "}, {"x-amz-meta-a", "c"}})),
            authorization(example("PUT", "k", {}, {{"x-amz-meta-a", "a b,c"}})));
}

TEST(Sigv4Test, WhatCouldNotBeSentAsSignedIsRefused) {
  EXPECT_THAT(refusal(example("GET", "k", {}, {{"x-amz-meta-a", "b\r\nHost: elsewhere"}})),
              HasSubstr("x-amz-meta-a holds a control character"));
  EXPECT_THAT(refusal(example("GET", "k", {}, {{"a b", "c"}})), HasSubstr("header name 'a b'"));
  EXPECT_THAT(refusal(example("GET", "k", {}, {{"", "c"}})), HasSubstr("header name ''"));
  for (const char* own : {"Host", "X-Amz-Date", "x-amz-content-sha256", "X-Amz-Security-Token", "authorization"}) {
    EXPECT_THAT(refusal(example("GET", "k", {}, {{own, "x"}})), HasSubstr("is set by signing"));
  }
  EXPECT_THAT(refusal(example("GET /", "k", {}, {})), HasSubstr("method"));
  EXPECT_THAT(refusal(example("GET", "k", {}, {}, "two words")), HasSubstr("payload hash"));
  Request request = example("GET", "k", {}, {});
  for (const char* path : {"", "k", "/a b", "/a?b", "/a#b", "/a\nb", "/\xc3\xa4"}) {
    request.target.path = path;
    EXPECT_THAT(refusal(request), HasSubstr("is not an encoded path"));
  }
}

TEST(Sigv4Test, AKeyOrRegionThatWouldBreakTheHeaderIsRefused) {
  const Request request = example("GET", "k", {}, {});
  for (const char* region : {"", "us east", "us/east", "eu\r\n", "eu,x"}) {
    EXPECT_THAT(refusal(request, example_key(), region), HasSubstr("region"));
  }
  for (const char* id : {"a b", "a\nb", "a,b", "a/b", "\xc3\xa4"}) {
    AccessKey key = example_key();
    key.id = id;
    EXPECT_THAT(refusal(request, key), HasSubstr("access key id"));
  }
  AccessKey key = example_key();
  key.secret = {};
  EXPECT_THAT(refusal(request, key), HasSubstr("no access key"));
}

TEST(Sigv4Test, AUrlIsValidFromOneSecondToSevenDays) {
  const auto presigned = [](std::chrono::seconds valid_for, std::vector<QueryItem> query = {}) {
    return presigned_url(kAws, example("GET", "k", std::move(query), {}), example_key(), "us-east-1", kTime, valid_for);
  };
  EXPECT_TRUE(presigned(std::chrono::seconds(1)).ok());
  EXPECT_TRUE(presigned(std::chrono::hours(168)).ok());
  for (const int seconds : {0, -1, 604801}) {
    const auto url = presigned(std::chrono::seconds(seconds));
    ASSERT_FALSE(url.ok());
    EXPECT_THAT(url.error().message, HasSubstr(std::to_string(seconds) + " s"));
  }
  EXPECT_FALSE(presigned(std::chrono::seconds(9), {{"x-amz-expires", "999999"}}).ok());
}

}  // namespace
}  // namespace cairn::s3
