// SPDX-License-Identifier: Apache-2.0
//
// Addresses as people write them, and as a signature needs them.
#include "replication/s3/uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replication/s3/percent.h"

namespace cairn::s3 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string every_byte() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  return bytes;
}

TEST(PercentTest, OnlyTheUnreservedCharactersStay) {
  EXPECT_EQ(percent_encoded("azAZ09-._~", Slash::encoded), "azAZ09-._~");
  EXPECT_EQ(percent_encoded("a b/c+d*e\xc3\xa4%", Slash::kept), "a%20b/c%2Bd%2Ae%C3%A4%25");
  EXPECT_EQ(percent_encoded("a/b", Slash::encoded), "a%2Fb");
  const std::string all = percent_encoded(every_byte(), Slash::encoded);
  EXPECT_EQ(all.size(), 66 + (256 - 66) * 3u);
}

TEST(PercentTest, EveryByteComesBack) {
  for (const Slash slash : {Slash::encoded, Slash::kept}) {
    const auto decoded = percent_decoded(percent_encoded(every_byte(), slash));
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, every_byte());
  }
  EXPECT_EQ(percent_decoded("a+b%2bc").value(), "a b+c");
}

TEST(PercentTest, WhatTwoDigitsDoNotFollowIsAnErrorThatNamesThePlace) {
  for (const char* text : {"ab%", "ab%4", "ab%4g", "ab%g4", "ab% 1", "ab%+1"}) {
    const auto decoded = percent_decoded(text);
    ASSERT_FALSE(decoded.ok()) << text;
    EXPECT_EQ(decoded.error().code, ErrorCode::corruption);
    EXPECT_THAT(decoded.error().message, HasSubstr("at 2"));
  }
  EXPECT_EQ(percent_decoded("ab%41").value(), "abA");
}

TEST(PercentTest, AQueryIsSortedByEncodedNameAndThenByValue) {
  EXPECT_EQ(canonical_query({}), "");
  EXPECT_EQ(canonical_query({{"uploads", ""}}), "uploads=");
  EXPECT_EQ(canonical_query({{"b", "2"}, {"a", "z"}, {"b", "1"}, {"B", "3"}}), "B=3&a=z&b=1&b=2");
  // '-' sorts before '=', and '%' before '-': comparing whole pairs would get the first two wrong.
  EXPECT_EQ(canonical_query({{"a-b", "1"}, {"a", "2"}, {"a b", "3"}}), "a=2&a%20b=3&a-b=1");
}

TEST(EndpointTest, SchemeHostAndPortAreAllThereIs) {
  const auto of = [](std::string_view url) {
    const auto endpoint = parse_endpoint(url);
    return endpoint.ok() ? std::string(endpoint->tls ? "tls " : "plain ") + endpoint->host + " " +
                               std::to_string(endpoint->port) + " " + endpoint->authority()
                         : endpoint.error().message;
  };
  EXPECT_EQ(of("https://S3.EU-central-1.amazonaws.com/"),
            "tls s3.eu-central-1.amazonaws.com 443 s3.eu-central-1.amazonaws.com");
  EXPECT_EQ(of("HTTP://localhost:7480"), "plain localhost 7480 localhost:7480");
  EXPECT_EQ(of("http://minio_1:80"), "plain minio_1 80 minio_1");
  EXPECT_EQ(of("https://127.0.0.1:80"), "tls 127.0.0.1 80 127.0.0.1:80");
  EXPECT_EQ(of("http://[::1]:7480"), "plain ::1 7480 [::1]:7480");
  EXPECT_EQ(of("https://[FD00:ec2::23]"), "tls fd00:ec2::23 443 [fd00:ec2::23]");
}

TEST(EndpointTest, AnythingElseIsRefused) {
  for (const char* url : {"",
                          "s3.amazonaws.com",
                          "ftp://host",
                          "://host",
                          "https://",
                          "https:///",
                          "https://host/bucket",
                          "https://host//",
                          "https://host?x",
                          "https://host#x",
                          "https://ho st",
                          "https://host:",
                          "https://host:0",
                          "https://host:65536",
                          "https://host:-1",
                          "https://host:80x",
                          "https://host:80:90",
                          "https://.host",
                          "https://host.",
                          "https://a..b",
                          "https://[::1",
                          "https://[host]",
                          "https://[::1]x",
                          "https://[::1]:",
                          "https://[]",
                          "https://h\r\nost"}) {
    const auto endpoint = parse_endpoint(url);
    ASSERT_FALSE(endpoint.ok()) << url;
    EXPECT_EQ(endpoint.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(endpoint.error().message, Not(HasSubstr("\n")));
  }
  EXPECT_FALSE(parse_endpoint("https://" + std::string(254, 'a')).ok());
  EXPECT_FALSE(parse_endpoint(std::string_view("http://[::1\0x]", 14)).ok());
}

TEST(EndpointTest, AmazonHasOneForEachRegion) {
  EXPECT_EQ(aws_endpoint("eu-central-1")->authority(), "s3.eu-central-1.amazonaws.com");
  EXPECT_EQ(aws_endpoint("cn-north-1")->authority(), "s3.cn-north-1.amazonaws.com.cn");
  for (const char* region : {"", "eu.evil.com/", "eu central", "eu#", "eu\n"}) EXPECT_FALSE(aws_endpoint(region).ok());
}

TEST(EndpointTest, APasswordIsNotRepeated) {
  const auto endpoint = parse_endpoint("https://user:canary@host");
  ASSERT_FALSE(endpoint.ok());
  EXPECT_THAT(endpoint.error().message, HasSubstr("user or password"));
  EXPECT_THAT(endpoint.error().message, Not(HasSubstr("canary")));
}

TEST(BucketTest, NamesAreAsAwsAllowsThem) {
  for (const char* bucket : {"abc", "a-b", "my.bucket.7", "0ab", "1.2.3.4.5", "1.2.3"}) {
    EXPECT_TRUE(check_bucket(bucket).ok()) << bucket;
  }
  EXPECT_TRUE(check_bucket(std::string(63, 'a')).ok());
  for (const char* bucket : {"", "ab", "Abc", "a_b", "-ab", "ab-", ".ab", "ab.", "a..b", "192.168.0.1", "a/b", "a b",
                             "\xc3\xa4"
                             "bc"}) {
    EXPECT_FALSE(check_bucket(bucket).ok()) << bucket;
  }
  EXPECT_FALSE(check_bucket(std::string(64, 'a')).ok());
}

TEST(KeyTest, AnyBytesUpTo1024Are) {
  EXPECT_TRUE(check_key(every_byte()).ok());
  EXPECT_TRUE(check_key(std::string(1024, '\0')).ok());
  EXPECT_FALSE(check_key("").ok());
  const Status status = check_key(std::string(1025, 'k'));
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("1025 bytes"));
}

TEST(LocationTest, ABucketAndAPrefixWithoutSlashesAtItsEnds) {
  const auto of = [](std::string_view text) {
    const auto location = parse_location(text);
    return location.ok() ? location->bucket + "|" + location->prefix : "refused";
  };
  EXPECT_EQ(of("s3://bucket"), "bucket|");
  EXPECT_EQ(of("s3://bucket/"), "bucket|");
  EXPECT_EQ(of("s3://bucket/a/b"), "bucket|a/b");
  EXPECT_EQ(of("s3://bucket/a/b/"), "bucket|a/b");
  EXPECT_EQ(of("s3://bucket/a%20b c+\xc3\xa4"), "bucket|a%20b c+\xc3\xa4");
  for (const char* text : {"", "bucket/a", "S3://bucket", "s3:/bucket", "s3://", "s3:///a", "s3://Bucket/a",
                           "s3://bucket//", "s3://bucket//a", "s3://bucket/a//b", "s3://bucket/a//", "s3://bucket/../a",
                           "s3://bucket/a/.", "s3://bucket/a\nb"}) {
    EXPECT_EQ(of(text), "refused") << text;
  }
  EXPECT_EQ(of("s3://bucket/" + std::string(512, 'p')), "bucket|" + std::string(512, 'p'));
  EXPECT_EQ(of("s3://bucket/" + std::string(513, 'p')), "refused");
}

TEST(TargetTest, TheBucketIsInThePathOrInTheHost) {
  const Endpoint plain{.tls = false, .host = "localhost", .port = 7480};
  const auto of = [](const Endpoint& endpoint, Addressing addressing, std::string_view bucket, std::string_view key) {
    const auto target = request_target(endpoint, addressing, bucket, key);
    return target.ok() ? target->host + target->path : "refused";
  };
  EXPECT_EQ(of(plain, Addressing::path, "abc", ""), "localhost:7480/abc");
  EXPECT_EQ(of(plain, Addressing::path, "abc", "a/b c"), "localhost:7480/abc/a/b%20c");
  EXPECT_EQ(of(plain, Addressing::path, "abc", "/../x"), "localhost:7480/abc//../x");
  EXPECT_EQ(of(plain, Addressing::virtual_host, "abc", ""), "abc.localhost:7480/");
  EXPECT_EQ(of(plain, Addressing::virtual_host, "a.c", "k"), "a.c.localhost:7480/k");
  EXPECT_EQ(of(plain, Addressing::path, "Abc", "k"), "refused");
  EXPECT_EQ(of(plain, Addressing::path, "abc", std::string(1025, 'k')), "refused");
}

TEST(TargetTest, ABucketThatNoCertificateCoversStaysInThePath) {
  const Endpoint aws{.tls = true, .host = "s3.us-east-1.amazonaws.com", .port = 443};
  const Endpoint address{.tls = false, .host = "::1", .port = 80};
  EXPECT_EQ(usual_addressing(aws, "abc"), Addressing::virtual_host);
  EXPECT_EQ(usual_addressing(aws, "a.c"), Addressing::path);
  EXPECT_EQ(usual_addressing(address, "abc"), Addressing::path);
  EXPECT_EQ(usual_addressing({.tls = true, .host = "evilamazonaws.com", .port = 443}, "abc"), Addressing::path);
  EXPECT_THAT(request_target(aws, Addressing::virtual_host, "a.c", "k").error().message, HasSubstr("certificate"));
  EXPECT_THAT(request_target(address, Addressing::virtual_host, "abc", "k").error().message, HasSubstr("address"));
  EXPECT_EQ(request_target(address, Addressing::path, "abc", "k")->host, "[::1]");
}

}  // namespace
}  // namespace cairn::s3
