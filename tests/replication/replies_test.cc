// SPDX-License-Identifier: Apache-2.0
//
// Replies as S3, Ceph and Swift write them, and as nobody should.
#include "replication/s3/replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "replication/s3/error_reply.h"
#include "replication/s3/percent.h"
#include "replication/s3/xml.h"

namespace cairn::s3 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kListing =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    "<Name>bucket</Name><Prefix>a%2F</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</"
    "EncodingType>"
    "<IsTruncated>true</IsTruncated><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</"
    "NextContinuationToken>"
    "<Contents><Key>a%2Fone+two</Key><LastModified>2026-11-23T02:00:00.000Z</LastModified>"
    "<ETag>&quot;900150983cd24fb0d6963f7d28e17f72&quot;</ETag><Size>18446744073709551615</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
    "<Contents><Key>a%2F%00%0A%C3%A4</Key><Size>0</Size></Contents>"
    "<CommonPrefixes><Prefix>a%2Fb%2F</Prefix></CommonPrefixes></ListBucketResult>";

std::string changed(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string words_of(const Result<ListPage>& page) {
  if (page.ok()) return "it was read";
  EXPECT_TRUE(page.error().retryable);
  EXPECT_EQ(page.error().code, ErrorCode::io);
  return page.error().message;
}

TEST(ListPageTest, KeysOfAnyBytesAreDecoded) {
  const auto page = read_list_page(kListing, "a/");
  ASSERT_TRUE(page.ok()) << page.error().message;
  ASSERT_EQ(page->objects.size(), 2u);
  EXPECT_EQ(page->objects[0].key, "a/one two");
  EXPECT_EQ(page->objects[0].size, 18446744073709551615u);
  EXPECT_EQ(page->objects[0].etag, "\"900150983cd24fb0d6963f7d28e17f72\"");
  EXPECT_EQ(readable_time(*page->objects[0].modified), "2026-11-23T02:00:00Z");
  EXPECT_EQ(page->objects[1].key, std::string("a/\0\n\xc3\xa4", 6));
  EXPECT_FALSE(page->objects[1].modified);
  EXPECT_THAT(page->common_prefixes, ElementsAre("a/b/"));
  EXPECT_EQ(page->next_token, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
}

TEST(ListPageTest, AServerThatDoesNotEncodeIsTakenAtItsWord) {
  const auto page = read_list_page(
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a+%41&amp;<![CDATA[<b>]]>&#13;</Key>"
      "<Size>1</Size></Contents><Contents><Key> </Key><Size>1</Size></Contents></ListBucketResult>",
      "");
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->objects[0].key, "a+%41&<b>\r");
  EXPECT_EQ(page->objects[1].key, " ");
  EXPECT_EQ(page->next_token, "");
}

TEST(ListPageTest, NothingOutsideOfWhatWasAskedForIsListed) {
  EXPECT_THAT(words_of(read_list_page(kListing, "a/one")), HasSubstr("is not below 'a/one'"));
  EXPECT_THAT(words_of(read_list_page(changed(kListing, "a%2Fb%2F<", "b%2F<"), "a/")), HasSubstr("lists 'b/'"));
}

TEST(ListPageTest, APageThatCannotBeTrueIsAnError) {
  const auto of = [](std::string_view from, std::string_view to) {
    return words_of(read_list_page(changed(kListing, from, to), "a/"));
  };
  EXPECT_THAT(of("<IsTruncated>true</IsTruncated>", ""), HasSubstr("no IsTruncated"));
  EXPECT_THAT(of(">true<", ">maybe<"), HasSubstr("IsTruncated is 'maybe'"));
  EXPECT_THAT(of("1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=", ""), HasSubstr("no NextContinuationToken"));
  EXPECT_THAT(of("18446744073709551615", "18446744073709551616"), HasSubstr("no number"));
  EXPECT_THAT(of("<Size>0", "<Size>-1"), HasSubstr("no number"));
  EXPECT_THAT(of("<Size>0</Size>", ""), HasSubstr("no Size in 'Contents'"));
  EXPECT_THAT(of("<Size>0</Size>", "<Size>0</Size><Size>0</Size>"), HasSubstr("two Size"));
  EXPECT_THAT(of("a%2Fone+two", ""), HasSubstr("no Key"));
  EXPECT_THAT(of("a%2Fone+two", "a%2Fone%2"), HasSubstr("no two digits"));
  EXPECT_THAT(of("a%2Fone+two", "a%2F" + std::string(1023, 'x')), HasSubstr("1025 bytes"));
  EXPECT_THAT(of("a%2Fone+two", "a%2F<b/>"), HasSubstr("elements in Key"));
  EXPECT_THAT(of("2026-11-23T02", "2026-11-33T02"), HasSubstr("LastModified"));
  EXPECT_THAT(of(">url<", ">base64<"), HasSubstr("EncodingType is 'base64'"));
}

TEST(ListPageTest, EveryShorterReplyIsAnError) {
  for (std::size_t size = 0; size < kListing.size(); ++size) {
    EXPECT_THAT(words_of(read_list_page(kListing.substr(0, size), "a/")), Not("it was read")) << size;
  }
}

TEST(XmlReplyTest, WhatCostsTooMuchOrHidesSomethingIsRefused) {
  const auto of = [](std::string_view body) {
    const auto reply = XmlReply::parse(body);
    return reply.ok() ? "it was read" : reply.error().message;
  };
  EXPECT_EQ(of("  \n <?xml version=\"1.0\"?><a/>"), "it was read");  // Amazon's way to keep a connection open
  EXPECT_THAT(of("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"), HasSubstr("has a DTD"));
  EXPECT_THAT(of("<a/><a/>"), HasSubstr("2 roots"));
  EXPECT_THAT(of("text"), HasSubstr("no XML"));
  EXPECT_THAT(of("<!-- a -->"), HasSubstr("no XML"));
  EXPECT_THAT(of(std::string_view("<a>\0</a>", 8)), HasSubstr("a NUL"));
  for (const char* zero : {"&#0;", "&#x0;", "&#000;", "&#4294967296;", "&#x100000000;"}) {
    EXPECT_THAT(of("<a>b" + std::string(zero) + "c</a>"), HasSubstr("a NUL")) << zero;
  }
  EXPECT_EQ(of("<a>&#x000041;</a>"), "it was read");
  const auto nested = [](int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += "<a>";
    for (int i = 0; i < depth; ++i) text += "</a>";
    return text;
  };
  EXPECT_EQ(of(nested(16)), "it was read");
  EXPECT_THAT(of(nested(18)), HasSubstr("deeper than 16"));
  EXPECT_THAT(of(nested(40'000)), HasSubstr("deeper than 16"));
  EXPECT_THAT(of(nested(60'000)), HasSubstr("100000 tags"));
  EXPECT_THAT(of("<a>" + std::string(kReplyBytesMax, 'x') + "</a>"), HasSubstr("8 MiB"));
}

TEST(MultipartReplyTest, TheIdOfAnUploadIsReadAndBounded) {
  const auto of = [](const std::string& id) {
    const auto read = read_upload_id("<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>" + id +
                                     "</UploadId></InitiateMultipartUploadResult>");
    return read.ok() ? *read : "refused";
  };
  EXPECT_EQ(of("2~Uzm.-_x"), "2~Uzm.-_x");
  EXPECT_EQ(of(std::string(1024, 'x')), std::string(1024, 'x'));
  for (const std::string id : {"", "a b", "a\nb", "\xc3\xa4"}) EXPECT_EQ(of(id), "refused") << id;
  EXPECT_EQ(of(std::string(1025, 'x')), "refused");
  EXPECT_FALSE(read_upload_id(kListing).ok());
}

TEST(MultipartReplyTest, ACompletionMayLackItsETag) {
  const auto of = [](std::string_view etag) {
    return read_result_etag("<CompleteMultipartUploadResult><Key>k</Key>" + std::string(etag) +
                            "</CompleteMultipartUploadResult>");
  };
  EXPECT_EQ(of("<ETag>&#34;3858f62230ac3c915f300c664312c11f-9&#34;</ETag>").value(),
            "\"3858f62230ac3c915f300c664312c11f-9\"");
  EXPECT_EQ(of("<ETag></ETag>").value(), "");
  EXPECT_EQ(of("<ETag/>").value(), "");
  EXPECT_EQ(of("").value(), "");
  EXPECT_FALSE(of("<ETag>a</ETag><ETag>b</ETag>").ok());
  EXPECT_EQ(read_result_etag("<CopyObjectResult><ETag>x</ETag></CopyObjectResult>").value(), "x");
  EXPECT_FALSE(read_result_etag("<SomethingElse/>").ok());
  EXPECT_FALSE(read_result_etag("").ok());
}

TEST(MultipartReplyTest, SuccessWithAnErrorInItIsAnError) {
  const auto read = read_result_etag(
      "\n \n<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>InternalError</Code><Message>We encountered an "
      "internal error. Please try again.</Message><RequestId>656c76696e</RequestId></Error>");
  ASSERT_FALSE(read.ok());
  EXPECT_TRUE(read.error().retryable);
  EXPECT_EQ(read.error().message,
            "after the header of success: the server failed (HTTP 200, 'InternalError': 'We encountered an internal "
            "error. Please try again.', request '656c76696e')");
  const auto listed = read_list_page("<Error><Code>NoSuchBucket</Code></Error>", "");
  EXPECT_EQ(listed.error().code, ErrorCode::not_found);
}

TEST(UploadPageTest, PendingUploadsAreListed) {
  const std::string body =
      "<ListMultipartUploadsResult><EncodingType>url</EncodingType><NextKeyMarker>p%2Fb</NextKeyMarker>"
      "<NextUploadIdMarker>id2</NextUploadIdMarker><IsTruncated>true</IsTruncated>"
      "<Upload><Key>p%2Fa</Key><UploadId>id1</UploadId><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>"
      "<Upload><Key>p%2Fb</Key><UploadId>id2</UploadId></Upload></ListMultipartUploadsResult>";
  const auto page = read_upload_page(body, "p/");
  ASSERT_TRUE(page.ok()) << page.error().message;
  ASSERT_EQ(page->uploads.size(), 2u);
  EXPECT_EQ(page->uploads[0].key, "p/a");
  EXPECT_EQ(page->uploads[0].id, "id1");
  EXPECT_EQ(readable_time(*page->uploads[0].initiated), "2010-11-10T20:48:33Z");
  EXPECT_FALSE(page->uploads[1].initiated);
  EXPECT_FALSE(page->is_last);
  EXPECT_EQ(page->next_key, "p/b");
  EXPECT_EQ(page->next_id, "id2");
  EXPECT_FALSE(read_upload_page(body, "q/").ok());
  EXPECT_FALSE(read_upload_page(changed(body, "<NextKeyMarker>p%2Fb</NextKeyMarker>", ""), "p/").ok());
  EXPECT_TRUE(read_upload_page(changed(body, ">true<", ">false<"), "p/")->is_last);
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(read_upload_page(body.substr(0, size), "p/").ok()) << size;
  }
}

TEST(DeleteResultTest, EveryKeyThatWasAskedForIsAnswered) {
  const auto failed = read_delete_result(
      "<DeleteResult><Deleted><Key>gone</Key></Deleted><Deleted><Key>both</Key></Deleted>"
      "<Error><Key>both</Key><Code>InternalError</Code><Message>m</Message></Error>"
      "<Error><Key>denied</Key><Code>AccessDenied</Code></Error>"
      "<Error><Key>was not there</Key><Code>NoSuchKey</Code></Error>"
      "<Error><Key>unasked</Key><Code>AccessDenied</Code></Error></DeleteResult>",
      {"gone", "both", "denied", "was not there", "forgotten"});
  ASSERT_TRUE(failed.ok()) << failed.error().message;
  ASSERT_EQ(failed->size(), 3u);
  EXPECT_EQ((*failed)[0].key, "both");
  EXPECT_TRUE((*failed)[0].error.retryable);
  EXPECT_EQ((*failed)[1].error.message, "delete 'denied': the credentials do not permit it (HTTP 200, 'AccessDenied')");
  EXPECT_FALSE((*failed)[1].error.retryable);
  EXPECT_EQ((*failed)[2].error.message, "delete 'forgotten': the reply says nothing of it");
  EXPECT_TRUE((*failed)[2].error.retryable);
  EXPECT_FALSE(read_delete_result("<DeleteResult><Error><Key>k</Key></Error></DeleteResult>", {"k"}).ok());
  EXPECT_FALSE(read_delete_result("<Error><Code>MalformedXML</Code></Error>", {"k"}).ok());
}

TEST(ErrorReplyTest, CodesSayWhatToDo) {
  struct Case {
    int status;
    const char* code;
    Refusal refusal;
    ErrorCode error;
    bool retryable;
  };
  for (const Case& c : {Case{404, "NoSuchKey", Refusal::no_such_key, ErrorCode::not_found, false},
                        {404, "NoSuchBucket", Refusal::no_such_bucket, ErrorCode::not_found, false},
                        {404, "NoSuchUpload", Refusal::no_such_upload, ErrorCode::not_found, false},
                        {403, "AccessDenied", Refusal::denied, ErrorCode::io, false},
                        {403, "InvalidAccessKeyId", Refusal::bad_credentials, ErrorCode::io, false},
                        {403, "SignatureDoesNotMatch", Refusal::bad_credentials, ErrorCode::io, false},
                        {400, "ExpiredToken", Refusal::expired_credentials, ErrorCode::io, true},
                        {403, "RequestTimeTooSkewed", Refusal::clock_skew, ErrorCode::io, false},
                        {301, "PermanentRedirect", Refusal::elsewhere, ErrorCode::invalid_argument, false},
                        {412, "PreconditionFailed", Refusal::precondition, ErrorCode::conflict, false},
                        {409, "ConditionalRequestConflict", Refusal::race, ErrorCode::conflict, true},
                        {409, "BucketAlreadyOwnedByYou", Refusal::already_exists, ErrorCode::already_exists, false},
                        {501, "NotImplemented", Refusal::not_implemented, ErrorCode::unsupported, false},
                        {503, "SlowDown", Refusal::throttled, ErrorCode::overloaded, true},
                        {500, "InternalError", Refusal::server_fault, ErrorCode::io, true},
                        {400, "RequestTimeout", Refusal::server_fault, ErrorCode::io, true},
                        {400, "XAmzContentSHA256Mismatch", Refusal::damaged_in_transit, ErrorCode::io, true},
                        {403, "QuotaExceeded", Refusal::quota, ErrorCode::no_space, true},
                        {400, "KeyTooLongError", Refusal::invalid, ErrorCode::invalid_argument, false},
                        {404, "", Refusal::no_such_key, ErrorCode::not_found, false},
                        {403, "", Refusal::denied, ErrorCode::io, false},
                        {400, "", Refusal::invalid, ErrorCode::invalid_argument, false},
                        {304, "", Refusal::precondition, ErrorCode::conflict, false},
                        {307, "", Refusal::elsewhere, ErrorCode::invalid_argument, false},
                        {412, "", Refusal::precondition, ErrorCode::conflict, false},
                        {501, "", Refusal::not_implemented, ErrorCode::unsupported, false},
                        {502, "", Refusal::server_fault, ErrorCode::io, true},
                        {504, "", Refusal::server_fault, ErrorCode::io, true}}) {
    SCOPED_TRACE(std::to_string(c.status) + " " + c.code);
    const std::string body = *c.code == '\0' ? "" : "<Error><Code>" + std::string(c.code) + "</Code></Error>";
    const ErrorReply reply = read_error_reply(c.status, body);
    EXPECT_EQ(refusal_of(reply), c.refusal);
    const Error error = to_error(reply, "get s3://b/k");
    EXPECT_EQ(error.code, c.error);
    EXPECT_EQ(error.retryable, c.retryable);
    EXPECT_THAT(error.message, HasSubstr("get s3://b/k: "));
    EXPECT_THAT(error.message, HasSubstr("HTTP " + std::to_string(c.status)));
  }
}

TEST(ErrorReplyTest, TheRightRegionIsNamed) {
  const ErrorReply reply = read_error_reply(
      400,
      "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong</Message>"
      "<Region>eu-central-1</Region></Error>");
  EXPECT_EQ(refusal_of(reply), Refusal::elsewhere);
  EXPECT_EQ(reply.region, "eu-central-1");
  EXPECT_THAT(to_error(reply, "get k").message, HasSubstr("in region 'eu-central-1'"));
  EXPECT_EQ(refusal_of(read_error_reply(400, "<Error><Code>AuthorizationHeaderMalformed</Code></Error>")),
            Refusal::invalid);
}

TEST(ErrorReplyTest, WhatIsNotS3sLeavesTheStatusAlone) {
  for (const std::string_view body :
       {"", "<html><body>502 Bad Gateway</body></html>", "{\"error\":1}", "<Error><Code>", "\xff\xfe"}) {
    EXPECT_EQ(to_error(read_error_reply(502, body), "get k").message, "get k: the server failed (HTTP 502)");
  }
}

TEST(ErrorReplyTest, TheRequestIsNotRepeatedAndWordsAreSafeToShow) {
  const Error error = to_error(
      read_error_reply(403, "<Error><Code>SignatureDoesNotMatch</Code><Message>a\x1b[2J&#10;b" + std::string(500, 'x') +
                                "</Message><CanonicalRequest>x-amz-security-token:canary</CanonicalRequest>"
                                "<StringToSign>canary</StringToSign></Error>"),
      "put k");
  EXPECT_THAT(error.message, HasSubstr("'a\\x1b[2J\\x0ab"));
  EXPECT_THAT(error.message, Not(HasSubstr("canary")));
  EXPECT_LT(error.message.size(), 400u);
}

// As radosgw 16.2 answered: it ignores encoding-type in a listing of uploads, and the first answer to a completion has
// an empty ETag.
TEST(RepliesTest, CephsAreRead) {
  const auto page = read_list_page(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<EncodingType>url</EncodingType><Name>bucket</Name><Prefix></Prefix><MaxKeys>5</MaxKeys><IsTruncated>true</"
      "IsTruncated>"
      "<Contents><Key>%01%02tab%09</Key><LastModified>2026-11-23T03:14:36.701Z</LastModified>"
      "<ETag>&quot;d662a85fbddc3f6e1d7a2417650d563b&quot;</ETag><Size>6</Size><StorageClass>STANDARD</StorageClass>"
      "<Type>Normal</Type></Contents><NextContinuationToken>q?x=1</NextContinuationToken></ListBucketResult>",
      "");
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->objects.at(0).key, "\x01\x02tab\t");
  const auto uploads = read_upload_page(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListMultipartUploadsResult "
      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>bucket</Bucket><NextKeyMarker>a+%41</NextKeyMarker>"
      "<NextUploadIdMarker>2~7Q5ViWC15lAV_63-5grQAh3EvGqsrq8</NextUploadIdMarker><MaxUploads>1000</MaxUploads>"
      "<IsTruncated>false</IsTruncated><Upload><Key>a+%41</Key><UploadId>2~7Q5ViWC15lAV_63-5grQAh3EvGqsrq8</UploadId>"
      "<Initiator><ID>main</ID><DisplayName>main</DisplayName></Initiator><Owner><ID>main</ID>"
      "<DisplayName>main</DisplayName></Owner><StorageClass>STANDARD</StorageClass>"
      "<Initiated>2026-11-23T03:14:36.814Z</Initiated></Upload></ListMultipartUploadsResult>",
      "");
  ASSERT_TRUE(uploads.ok()) << uploads.error().message;
  EXPECT_EQ(uploads->uploads.at(0).key, "a+%41");
  EXPECT_TRUE(uploads->is_last);
  EXPECT_EQ(read_result_etag("<?xml version=\"1.0\" encoding=\"UTF-8\"?><CompleteMultipartUploadResult "
                             "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                             "<Location>http://127.0.0.1:58480/bucket/multi</Location><Bucket>bucket</Bucket>"
                             "<Key>multi</Key><ETag></ETag></CompleteMultipartUploadResult>")
                .value(),
            "");
  const ErrorReply skewed = read_error_reply(
      403,
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>RequestTimeTooSkewed</Code><Message></Message>"
      "<RequestId>tx1</RequestId><HostId>1012-default-default</HostId></Error>");
  EXPECT_EQ(refusal_of(skewed), Refusal::clock_skew);
}

// Any reply, cut and flipped, is read or refused: nothing else, and never a key that was not asked for.
TEST(RepliesTest, FlippedBitsAreReadOrRefused) {
  std::mt19937 random(3);
  for (int round = 0; round < 5'000; ++round) {
    std::string body = kListing;
    for (unsigned i = 1 + random() % 3; i > 0; --i)
      body[random() % body.size()] ^= static_cast<char>(1u << random() % 8);
    const auto page = read_list_page(body, "a/");
    if (!page.ok()) continue;
    for (const ListedObject& object : page->objects) EXPECT_TRUE(object.key.starts_with("a/"));
    for (const std::string& common : page->common_prefixes) EXPECT_TRUE(common.starts_with("a/"));
  }
}

}  // namespace
}  // namespace cairn::s3
