// SPDX-License-Identifier: Apache-2.0
//
// What a client asks, what it makes of the answers, and when it asks again.
#include "replication/s3/client.h"

#include <gmock/gmock.h>

#include "replication/s3/transport.h"
#include "tests/replication/freed_memory.h"
#include "tests/replication/scripted_exchange.h"
#include "tests/replication/scripted_server.h"

namespace cairn::s3 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::vector<std::span<const std::byte>> one_part(std::string_view text) { return {bytes_of(text)}; }

TEST_F(ClientTest, APutIsSignedWithADigestWithoutTlsAndWithoutOneOverIt) {
  http_.script = {says(200, "", {{"etag", "\"e\""}}), says(200)};
  const auto done = client().put("a key", one_part("abc"), {.metadata = {{"step", "7"}}});
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(*done, "\"e\"");
  EXPECT_THAT(http_.lines(), ElementsAre("PUT /models/a%20key"));
  const auto& put = http_.requests.at(0);
  EXPECT_EQ(put.server, "http://server");
  EXPECT_EQ(put.body, "abc");
  EXPECT_EQ(put.header("x-amz-content-sha256"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(put.header("x-amz-meta-step"), "7");
  EXPECT_THAT(put.header("Authorization"), HasSubstr("x-amz-meta-step"));
  client_.reset();
  ASSERT_TRUE(client([](ClientOptions& options) { options.place.endpoint.tls = true; }).put("k", one_part("abc")).ok());
  EXPECT_EQ(http_.requests.at(1).header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
}

TEST_F(ClientTest, APutThatIsAnsweredWithAnErrorBehindTheHeaderOfSuccessIsNone) {
  const std::string refusal = "<Error><Code>InternalError</Code></Error>";
  http_.script = {says(200, refusal, {{"etag", "\"e\""}}), says(200, "Sign in to this network"),
                  says(200, "", {{"etag", "\"e\""}})};
  EXPECT_TRUE(client().put("k", one_part("abc")).ok());
  EXPECT_EQ(http_.lines().size(), 3U);
}

TEST_F(ClientTest, MetadataThatNoHeaderCarriesIsNotSent) {
  for (const Metadata& metadata : {Metadata{{"Big", "x"}}, Metadata{{"a", "b\nc"}}, Metadata{{"a", " b"}},
                                   Metadata{{"a", std::string(2048, 'b')}}, Metadata{{"a", "\xc3\xa4"}}}) {
    const auto done = client().put("k", {}, {.metadata = metadata});
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_TRUE(http_.requests.empty());
}

TEST_F(ClientTest, WhatIsTransientIsTriedAgainAfterTheTimeThatTheServerAsksFor) {
  http_.script = {breaks(), refuses(503, "SlowDown", "", {{"retry-after", "3"}}), refuses(500, "InternalError"),
                  says(200, "fine")};
  const auto got = client().get("k", 10);
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(text_of(got->value()), "fine");
  EXPECT_THAT(waits_, ElementsAre(milliseconds(50), seconds(3), milliseconds(200)));
}

TEST_F(ClientTest, AServerThatAsksForMoreThanAnHourIsGivenUp) {
  client([](ClientOptions& options) { options.retry.time_max = std::chrono::hours(1000); });
  for (const char* seconds_asked : {"3601", "99999999999999999999"}) {
    http_.requests.clear();
    http_.otherwise = refuses(503, "SlowDown", "", {{"retry-after", seconds_asked}});
    const auto got = client().get("k", 10);
    ASSERT_FALSE(got.ok());
    EXPECT_TRUE(got.error().retryable);
    EXPECT_THAT(http_.requests, SizeIs(1)) << seconds_asked;
  }
  http_.requests.clear();
  http_.otherwise = refuses(503, "SlowDown", "", {{"retry-after", "3600"}});
  EXPECT_FALSE(client().get("k", 10).ok());
  EXPECT_THAT(waits_, ElementsAre(seconds(3600), seconds(3600), seconds(3600)));
}

TEST_F(ClientTest, AnErrorThatStaysNamesTheBucketTheKeyAndTheServersWords) {
  http_.otherwise = refuses(503, "SlowDown", "<Message>less, please</Message>");
  const auto got = client().get("some/key", 10);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, ErrorCode::overloaded);
  EXPECT_TRUE(got.error().retryable);
  EXPECT_THAT(got.error().message, HasSubstr("get s3://models/some/key: the server asks for fewer requests"));
  EXPECT_THAT(got.error().message, HasSubstr("'less, please'"));
  EXPECT_THAT(got.error().message, HasSubstr("(after 4 attempts)"));
  EXPECT_THAT(http_.requests, SizeIs(4));
}

TEST_F(ClientTest, WhatCannotHelpIsNotTriedAgain) {
  for (const auto& [status, code] : {std::pair{403, "AccessDenied"},
                                     {403, "SignatureDoesNotMatch"},
                                     {403, "RequestTimeTooSkewed"},
                                     {404, "NoSuchBucket"},
                                     {507, "QuotaExceeded"}}) {
    http_.requests.clear();
    http_.otherwise = refuses(status, code);
    const auto got = client().get("k", 10);
    ASSERT_FALSE(got.ok()) << code;
    EXPECT_THAT(got.error().message, HasSubstr(code));
    EXPECT_THAT(http_.requests, SizeIs(1)) << code;
  }
}

TEST_F(ClientTest, AMissingObjectIsNothingAndAMissingBucketIsAnError) {
  http_.script = {refuses(404, "NoSuchKey"), refuses(404, "NoSuchBucket"), says(404)};
  const auto no_key = client().get("k", 10);
  ASSERT_TRUE(no_key.ok());
  EXPECT_FALSE(no_key->has_value());
  const auto no_bucket = client().get("k", 10);
  ASSERT_FALSE(no_bucket.ok());
  EXPECT_EQ(no_bucket.error().code, ErrorCode::not_found);
  const auto head = client().head("k");
  ASSERT_TRUE(head.ok());
  EXPECT_FALSE(head->has_value());
}

TEST_F(ClientTest, ALargerObjectThanIsTakenIsRefused) {
  http_.otherwise = says(200, "0123456789A");
  const auto got = client().get("k", 10);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, ErrorCode::resource_exhausted);
}

TEST_F(ClientTest, OfSeveralWhoPutIfAbsentTheServerSaysWhoWon) {
  http_.script = {says(200), refuses(412, "PreconditionFailed")};
  EXPECT_TRUE(client().put_if_absent("k", one_part("abc")).value_or(false));
  EXPECT_FALSE(client().put_if_absent("k", one_part("abc")).value_or(true));
  EXPECT_EQ(http_.requests.at(0).header("if-none-match"), "*");
}

TEST_F(ClientTest, WhoeverLostTheAnswerOfAPutIfAbsentLooksWhoseItIs) {
  const auto meets = [&](std::string there) {
    http_.requests.clear();
    http_.script = {breaks(), refuses(412, "PreconditionFailed"),
                    says(200, "", {{"content-length", std::to_string(there.size())}}), says(200, there)};
    const auto done = client().put_if_absent("k", one_part("mine"));
    EXPECT_TRUE(done.ok()) << done.error().message;
    return done.ok() && *done;
  };
  EXPECT_TRUE(meets("mine"));
  EXPECT_FALSE(meets("them"));
  EXPECT_FALSE(meets("others"));
}

TEST_F(ClientTest, AServerWithoutConditionsIsAskedOnceAndThenLookedAtFirst) {
  http_.script = {refuses(501, "NotImplemented"), says(404), says(200),  // not there, put
                  says(200, "", {{"content-length", "3"}})};             // there
  EXPECT_TRUE(client().put_if_absent("k", one_part("abc")).value_or(false));
  EXPECT_TRUE(client().conditions_unsupported());
  EXPECT_FALSE(client().put_if_absent("k", one_part("abc")).value_or(true));
  EXPECT_THAT(http_.lines(), ElementsAre("PUT /models/k", "HEAD /models/k", "PUT /models/k", "HEAD /models/k"));
  EXPECT_EQ(http_.requests.at(2).header("if-none-match"), "");
}

TEST_F(ClientTest, NothingButNotImplementedTurnsConditionsOff) {
  for (const auto& [status, code] :
       {std::pair{405, "MethodNotAllowed"}, {405, ""}, {501, ""}, {400, "NotImplemented"}}) {
    http_.requests.clear();
    http_.otherwise = refuses(status, code);
    const auto done = client().put_if_absent("k", one_part("abc"));
    ASSERT_FALSE(done.ok()) << status << code;
    EXPECT_EQ(done.error().code, ErrorCode::unsupported);
    EXPECT_FALSE(client().conditions_unsupported());
    EXPECT_THAT(http_.requests, SizeIs(1));
  }
}

TEST_F(ClientTest, ARangeIsWhatWasAskedForOrAnError) {
  http_.script = {says(206, "cde", {{"content-range", "bytes 2-4/9"}}),
                  says(206, "de", {{"content-range", "bytes 2-3/4"}}), refuses(416, "InvalidRange"), says(200, "abc")};
  EXPECT_EQ(text_of(client().get_range("k", 2, 3).value_or(std::nullopt).value_or(std::vector<std::byte>())), "cde");
  EXPECT_EQ(http_.requests.at(0).header("range"), "bytes=2-4");
  for (int i = 0; i < 2; ++i) {
    const auto ends = client().get_range("k", 2, 3);
    ASSERT_FALSE(ends.ok());
    EXPECT_EQ(ends.error().code, ErrorCode::corruption);
  }
  EXPECT_EQ(text_of(client().get_range("k", 0, 3).value_or(std::nullopt).value_or(std::vector<std::byte>())), "abc");
  http_.otherwise = says(206, "xyz", {{"content-range", "bytes 3-5/9"}});
  const auto other = client().get_range("k", 2, 3);
  ASSERT_FALSE(other.ok());
  EXPECT_TRUE(other.error().retryable);
  EXPECT_EQ(client().get_range("k", 2, 0).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(client().get_range("k", ~0ULL, 2).error().code, ErrorCode::invalid_argument);
}

TEST_F(ClientTest, ALargeObjectComesInRangesOfOneVersion) {
  const std::string whole = [] {
    std::string text(12 << 20, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 2654435761U >> 24);
    return text;
  }();
  http_.otherwise = [&](const ScriptedExchange::Request& request) -> Result<HttpReply> {
    if (request.method == "HEAD") {
      return http_reply(200, "", {{"content-length", std::to_string(whole.size())}, {"etag", "\"v1\""}});
    }
    if (request.header("if-match") != "\"v1\"") return http_reply(400);
    const std::string range = request.header("range");
    const std::size_t first = std::stoull(range.substr(6));
    const std::size_t last = std::stoull(range.substr(range.find('-') + 1));
    return http_reply(206, std::string_view(whole).substr(first, last - first + 1),
                      {{"content-range", "bytes " + range.substr(6) + "/" + std::to_string(whole.size())}});
  };
  const auto got = client([](ClientOptions& options) { options.part_bytes = 5 << 20; }).get_in_ranges("k", 1 << 30);
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_TRUE(text_of(got->value()) == whole);
  EXPECT_THAT(http_.requests, SizeIs(4));
  const auto refused = client().get_in_ranges("k", 1 << 20);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::resource_exhausted);
}

TEST_F(ClientTest, AnObjectThatIsReplacedWhileItIsReadIsARetryableConflict) {
  http_.otherwise = [&](const ScriptedExchange::Request& request) -> Result<HttpReply> {
    if (request.method == "HEAD") return http_reply(200, "", {{"content-length", "20000000"}, {"etag", "\"v1\""}});
    return http_reply(412);
  };
  const auto got = client([](ClientOptions& options) { options.part_bytes = 5 << 20; }).get_in_ranges("k", 1 << 30);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, ErrorCode::conflict);
  EXPECT_TRUE(got.error().retryable);
}

TEST_F(ClientTest, RangesOnOneThreadComeInOrderAndTheFirstErrorEndsThem) {
  http_.otherwise = [&](const ScriptedExchange::Request& request) -> Result<HttpReply> {
    if (request.method == "HEAD") {
      return http_reply(
          200, "",
          {{"content-length", "11000000"}, {"etag", "\"v1\""}, {"last-modified", "Fri, 24 May 2013 00:00:00 GMT"}});
    }
    const std::string range = request.header("range");
    const std::size_t first = std::stoull(range.substr(6));
    const std::size_t last = std::stoull(range.substr(range.find('-') + 1));
    return http_reply(206, std::string(last - first + 1, 'x'),
                      {{"content-range", "bytes " + range.substr(6) + "/11000000"}});
  };
  std::vector<std::uint64_t> offsets;
  std::size_t ends_at = 9;
  const Client::RangeReader reader{.take = [&](std::uint64_t offset, std::span<const std::byte>) -> Status {
    offsets.push_back(offset);
    if (offsets.size() == ends_at) return Error{.code = ErrorCode::no_space, .message = "full"};
    return {};
  }};
  client([](ClientOptions& options) { options.part_bytes = 5 << 20; });
  const auto info = client().read_in_ranges("k", reader, 1);
  ASSERT_TRUE(info.ok()) << info.error().message;
  EXPECT_EQ(readable_time((*info)->modified.value()), "2013-05-24T00:00:00Z");
  EXPECT_THAT(offsets, ElementsAre(0, 5 << 20, 10 << 20));
  offsets.clear();
  ends_at = 2;
  const auto ended = client().read_in_ranges("k", reader, 1);
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().code, ErrorCode::no_space);
  EXPECT_THAT(offsets, SizeIs(2));
}

TEST_F(ClientTest, AHeadThatIsRefusedIsToldInTheWordsOfAGet) {
  http_.script = {says(403), refuses(403, "SignatureDoesNotMatch")};
  const auto info = client().head("k");
  ASSERT_FALSE(info.ok());
  EXPECT_THAT(info.error().message, HasSubstr("SignatureDoesNotMatch"));
  EXPECT_THAT(http_.lines(), ElementsAre("HEAD /models/k", "GET /models/k"));
  http_.script.clear();
  http_.otherwise = says(403);
  EXPECT_THAT(client().head("k").error().message, HasSubstr("head s3://models/k"));
}

TEST_F(ClientTest, AnotherRegionIsSignedForAndRemembered) {
  http_.script = {refuses(400, "AuthorizationHeaderMalformed", "<Region>eu-west-7</Region>"), says(200, "fine"),
                  says(200, "fine")};
  EXPECT_TRUE(client().get("k", 10).ok());
  EXPECT_TRUE(client().get("k", 10).ok());
  EXPECT_THAT(http_.requests.at(0).header("Authorization"), HasSubstr("/us-east-1/"));
  EXPECT_THAT(http_.requests.at(1).header("Authorization"), HasSubstr("/eu-west-7/"));
  EXPECT_THAT(http_.requests.at(2).header("Authorization"), HasSubstr("/eu-west-7/"));
  EXPECT_THAT(waits_, SizeIs(0));
}

TEST_F(ClientTest, HeadLearnsTheRegionFromAHeader) {
  http_.script = {says(400, "", {{"x-amz-bucket-region", "eu-west-7"}}), says(200, "", {{"content-length", "3"}})};
  const auto head = client().head("k");
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_EQ(head->value().size, 3U);
}

TEST_F(ClientTest, AtAwsTheRegionSaysWhichServer) {
  http_.script = {refuses(301, "PermanentRedirect", "<Endpoint>models.s3.amazonaws.com</Endpoint>",
                          {{"x-amz-bucket-region", "eu-west-1"}}),
                  says(200, "fine")};
  EXPECT_TRUE(client([](ClientOptions& options) {
                options.place.endpoint = {.tls = true, .host = "s3.us-east-1.amazonaws.com", .port = 443};
              })
                  .get("k", 10)
                  .ok());
  EXPECT_EQ(http_.requests.at(0).server, "https://models.s3.us-east-1.amazonaws.com");
  EXPECT_EQ(http_.requests.at(1).server, "https://models.s3.eu-west-1.amazonaws.com");
}

TEST_F(ClientTest, AnotherServerIsFollowedToButNeverOutOfTls) {
  http_.script = {says(307, "", {{"location", "http://other:81/models/k?x"}}), says(200, "fine")};
  EXPECT_TRUE(client().get("k", 10).ok());
  EXPECT_EQ(http_.requests.at(1).server, "http://other:81");
  client_.reset();
  http_.requests.clear();
  http_.script = {says(307, "", {{"location", "http://other:81/models/k?x"}})};
  const auto got = client([](ClientOptions& options) { options.place.endpoint.tls = true; }).get("k", 10);
  ASSERT_FALSE(got.ok());
  EXPECT_THAT(got.error().message, HasSubstr("leads from TLS to plain HTTP"));
  EXPECT_THAT(http_.requests, SizeIs(1));
}

TEST_F(ClientTest, ServersThatPointAtEachOtherAreNotFollowedForEver) {
  int turn = 0;
  http_.otherwise = [&](const ScriptedExchange::Request&) -> Result<HttpReply> {
    return http_reply(307, "", {{"location", "http://server" + std::to_string(++turn) + "/"}});
  };
  EXPECT_FALSE(client().get("k", 10).ok());
  EXPECT_LE(http_.requests.size(), 4U);
}

TEST_F(ClientTest, ExpiredCredentialsAreAskedForAnewOnce) {
  http_.script = {[this](const ScriptedExchange::Request&) -> Result<HttpReply> {
                    key_id_ = "KEY2";
                    return http_reply(400, "<Error><Code>ExpiredToken</Code></Error>");
                  },
                  says(200, "fine")};
  EXPECT_TRUE(client().get("k", 10).ok());
  EXPECT_EQ(asked_, 2);
  EXPECT_THAT(http_.requests.at(1).header("Authorization"), HasSubstr("Credential=KEY2/"));
  EXPECT_EQ(http_.requests.at(1).header("x-amz-security-token"), kCanary);
  http_.otherwise = refuses(400, "ExpiredToken");
  const auto got = client().get("k", 10);
  ASSERT_FALSE(got.ok());
  EXPECT_THAT(got.error().message, HasSubstr("the credentials have expired"));
  EXPECT_THAT(http_.requests, SizeIs(4));
}

TEST_F(ClientTest, ASignatureThatIsWrongOnceUnderAGoodKeyIsMadeAgain) {
  http_.script = {says(200, "fine"), refuses(403, "SignatureDoesNotMatch"), says(200, "fine"),
                  refuses(403, "SignatureDoesNotMatch"), refuses(403, "SignatureDoesNotMatch")};
  EXPECT_TRUE(client().get("k", 10).ok());
  EXPECT_TRUE(client().get("k", 10).ok());
  EXPECT_FALSE(client().get("k", 10).ok());
  EXPECT_THAT(http_.requests, SizeIs(5));
}

TEST_F(ClientTest, CredentialsThatCannotBeHadAtTheMomentAreAskedForAgain) {
  int asked = 0;
  CredentialChain late(
      {[&asked]() -> Result<std::optional<Credentials>> {
        if (++asked < 3) return Error{.message = "the metadata service is busy", .retryable = true};
        return std::optional(Credentials{
            .key = {.id = "KEY", .secret = Secret("s"), .session_token = {}}, .expires = {}, .source = "a test"});
      }},
      [] { return Time(std::chrono::hours(400'000)); });
  auto created =
      Client::create({.place = {.endpoint = {.tls = false, .host = "server", .port = 80}, .bucket = "models"}},
                     {.http = http_,
                      .credentials = late,
                      .now = [] { return Time(std::chrono::hours(400'000)); },
                      .retry_clock = clock()});
  ASSERT_TRUE(created.ok());
  http_.otherwise = says(200, "fine");
  EXPECT_TRUE((*created)->get("k", 10).ok());
  EXPECT_EQ(asked, 3);
  EXPECT_THAT(http_.requests, SizeIs(1));
}

TEST_F(ClientTest, ListingsArePagedAndBoundToTheirPrefix) {
  http_.script = {
      says(200,
           "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t/1</NextContinuationToken>"
           "<Contents><Key>p/a</Key><Size>1</Size></Contents></ListBucketResult>"),
      says(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")};
  const auto page = client().list({.prefix = "p/", .after = "p/0"});
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->objects.at(0).key, "p/a");
  ASSERT_TRUE(client().list({.prefix = "p/", .after = "p/0", .token = page->next_token}).ok());
  EXPECT_THAT(http_.lines(),
              ElementsAre("GET /models?encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F&start-after=p%2F0",
                          "GET /models?continuation-token=t%2F1&encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F"
                          "&start-after=p%2F0"));
}

TEST_F(ClientTest, RemovalsGoAThousandAtATimeAndAwkwardKeysByThemselves) {
  std::vector<std::string> keys;
  for (int i = 0; i < 1500; ++i) keys.push_back("k" + std::to_string(i));
  keys.push_back("bad\x01key");
  http_.otherwise = [](const ScriptedExchange::Request& request) -> Result<HttpReply> {
    if (request.method == "DELETE") return http_reply(204);
    std::string reply = "<DeleteResult>";
    for (std::size_t at = 0; (at = request.body.find("<Key>", at)) != std::string::npos; ++at) {
      const std::string key = request.body.substr(at + 5, request.body.find("</Key>", at) - at - 5);
      reply += key == "k7" ? "<Error><Key>k7</Key><Code>AccessDenied</Code></Error>"
                           : "<Deleted><Key>" + key + "</Key></Deleted>";
    }
    return http_reply(200, reply + "</DeleteResult>");
  };
  const auto failed = client().remove(keys);
  ASSERT_TRUE(failed.ok()) << failed.error().message;
  ASSERT_THAT(*failed, SizeIs(1));
  EXPECT_EQ(failed->at(0).key, "k7");
  EXPECT_THAT(http_.lines(), ElementsAre("POST /models?delete=", "DELETE /models/bad%01key", "POST /models?delete="));
  EXPECT_THAT(http_.requests.at(0).header("content-md5"), SizeIs(24));
}

TEST_F(ClientTest, ACopyThatFailsAfterTheHeaderOfSuccessFails) {
  http_.script = {says(200, "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>")};
  EXPECT_TRUE(client().copy("from it", "to").ok());
  EXPECT_EQ(http_.requests.at(0).header("x-amz-copy-source"), "/models/from%20it");
  http_.otherwise = says(200, "<Error><Code>InternalError</Code></Error>");
  const Status failed = client().copy("from", "to");
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(http_.requests, SizeIs(5));
}

TEST_F(ClientTest, ABucketIsCreatedInItsRegionAndMayBeThere) {
  http_.script = {says(200), refuses(409, "BucketAlreadyOwnedByYou"), refuses(409, "BucketAlreadyExists")};
  EXPECT_TRUE(client([](ClientOptions& options) { options.place.region = "eu-west-1"; }).create_bucket().ok());
  EXPECT_THAT(http_.requests.at(0).body, HasSubstr("<LocationConstraint>eu-west-1<"));
  EXPECT_TRUE(client().create_bucket().ok());
  const Status others = client().create_bucket();
  ASSERT_FALSE(others.ok());
  EXPECT_EQ(others.error().code, ErrorCode::already_exists);
}

TEST_F(ClientTest, PresignedUrlsNeedNoServer) {
  const auto url = client().presigned_get("a/b", seconds(60));
  ASSERT_TRUE(url.ok()) << url.error().message;
  EXPECT_THAT(*url, HasSubstr("http://server/models/a/b?"));
  EXPECT_THAT(*url, HasSubstr("X-Amz-Expires=60"));
  EXPECT_TRUE(client().presigned_put("a/b", seconds(60)).ok());
  EXPECT_TRUE(http_.requests.empty());
}

TEST_F(ClientTest, NoErrorHoldsTheSecretWhateverTheServerRepeats) {
  for (const char* code : {"SignatureDoesNotMatch", "ExpiredToken", "InternalError", "AuthorizationHeaderMalformed"}) {
    http_.otherwise = [code](const ScriptedExchange::Request& request) -> Result<HttpReply> {
      return http_reply(400, "<Error><Code>" + std::string(code) + "</Code><StringToSign>" +
                                 request.header("x-amz-security-token") + "</StringToSign></Error>");
    };
    const auto got = client().get("k", 10);
    ASSERT_FALSE(got.ok());
    EXPECT_THAT(got.error().message, Not(HasSubstr(kCanary)));
  }
}

TEST_F(ClientTest, ASessionTokenLeavesNothingBehindInMemory) {
  const ScriptedServer server;
  auto transport = Transport::create({});
  ASSERT_TRUE(transport.ok());
  auto over_network = Client::create({.place = {.endpoint = server.endpoint(), .bucket = "models"}},
                                     {.http = **transport,
                                      .credentials = credentials_,
                                      .now = [] { return Time(std::chrono::hours(400'000)); },
                                      .retry_clock = clock()});
  ASSERT_TRUE(over_network.ok());
  const FreedMemoryWatch watch(kCanary);
  EXPECT_FALSE((*over_network)->get("k", 10).ok());
  EXPECT_EQ(watch.found(), 0U);
  EXPECT_THAT(server.requests().at(0).head, HasSubstr("x-amz-security-token: " + std::string(kCanary)));
}

TEST_F(ClientTest, OptionsThatAreNoneAreRefused) {
  const auto created = [&](ClientOptions options) {
    return Client::create(std::move(options),
                          {.http = http_, .credentials = credentials_, .now = {}, .retry_clock = clock()});
  };
  const BucketPlace place{.endpoint = {.tls = false, .host = "server", .port = 80}, .bucket = "models"};
  EXPECT_TRUE(created({.place = place}).ok());
  EXPECT_FALSE(created({.place = place, .part_bytes = 1 << 20}).ok());
  EXPECT_FALSE(created({.place = place, .parallel_max = 0}).ok());
  EXPECT_FALSE(created({.place = {.endpoint = place.endpoint, .bucket = "Bad_Bucket"}}).ok());
  EXPECT_FALSE(created({.place = {.endpoint = place.endpoint, .region = "a b", .bucket = "models"}}).ok());
}

}  // namespace
}  // namespace cairn::s3
