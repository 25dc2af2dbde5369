// SPDX-License-Identifier: Apache-2.0
//
// Objects below a prefix, whatever else the bucket holds, and a bucket that may not be there yet.
#include "replication/s3/s3_storage.h"

#include <gmock/gmock.h>

#include "tests/replication/scripted_exchange.h"

namespace cairn::s3 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class S3StorageTest : public ClientTest {
 protected:
  S3Storage& storage(S3StorageOptions options = {.prefix = "runs/a"}) {
    if (!storage_) {
      auto created = S3Storage::create(client(), std::move(options));
      EXPECT_TRUE(created.ok());
      storage_ = *std::move(created);
    }
    return *storage_;
  }
  static std::string page(const std::vector<std::string>& keys, const std::string& token = "") {
    std::string text = "<ListBucketResult>";
    for (const std::string& key : keys) text += "<Contents><Key>" + key + "</Key><Size>1</Size></Contents>";
    text += "<IsTruncated>" + std::string(token.empty() ? "false" : "true") + "</IsTruncated>";
    if (!token.empty()) text += "<NextContinuationToken>" + token + "</NextContinuationToken>";
    return text + "</ListBucketResult>";
  }
  static std::vector<std::string> keys_of(const Result<std::vector<ObjectStorage::Listed>>& listed) {
    if (!listed.ok()) return {listed.error().message};
    std::vector<std::string> keys;
    for (const auto& entry : *listed) keys.push_back(entry.key);
    return keys;
  }

  std::unique_ptr<S3Storage> storage_;
};

TEST_F(S3StorageTest, EveryKeyIsBelowThePrefix) {
  http_.script = {
      says(200),
      says(200),
      says(200, "abc"),
      says(206, "b", {{"content-range", "bytes 1-1/3"}}),
      says(200, "", {{"content-length", "3"}}),
      says(200, "<DeleteResult><Error><Key>runs/a/k</Key><Code>AccessDenied</Code></Error></DeleteResult>")};
  EXPECT_TRUE(storage().put("k", {}).ok());
  EXPECT_TRUE(storage().put_if_absent("k", {}).value_or(false));
  EXPECT_TRUE(storage().get("k", 3).ok());
  EXPECT_TRUE(storage().get_range("k", {.offset = 1, .length = 1}).ok());
  EXPECT_EQ(storage().size_of("k").value_or(std::nullopt), 3U);
  const auto not_removed = storage().remove({"k"});
  ASSERT_TRUE(not_removed.ok()) << not_removed.error().message;
  EXPECT_EQ(not_removed->at(0).key, "k");
  EXPECT_THAT(http_.lines(), ElementsAre("PUT /models/runs/a/k", "PUT /models/runs/a/k", "GET /models/runs/a/k",
                                         "GET /models/runs/a/k", "HEAD /models/runs/a/k", "POST /models?delete="));
  EXPECT_THAT(http_.requests.at(5).body, HasSubstr("<Key>runs/a/k</Key>"));
}

TEST_F(S3StorageTest, AListingBeginsBehindWhatWasAskedForEvenWhereTheServerDoesNot) {
  http_.script = {says(200, page({"runs/a/p1", "runs/a/p2"}, "more")), says(200, page({"runs/a/p3"}, "yet-more"))};
  EXPECT_THAT(keys_of(storage().list("p", "p2")), ElementsAre("p3"));
  EXPECT_THAT(http_.requests.at(0).target, HasSubstr("prefix=runs%2Fa%2Fp&start-after=runs%2Fa%2Fp2"));
  EXPECT_THAT(http_.requests.at(1).target, HasSubstr("continuation-token=more"));
}

TEST_F(S3StorageTest, AListingThatIsNoneIsAnError) {
  http_.script = {says(200, page({"runs/a/p2", "runs/a/p1"})), says(200, page({}, "t")), says(200, page({}, "t"))};
  EXPECT_THAT(keys_of(storage().list("", "")), ElementsAre(HasSubstr("'runs/a/p1' behind 'runs/a/p2'")));
  EXPECT_THAT(keys_of(storage().list("", "")), ElementsAre(HasSubstr("goes round in a circle")));
}

TEST_F(S3StorageTest, AListingWhoseTokensGoRoundEndsInAnError) {
  int turn = 0;
  http_.otherwise = [&turn](const ScriptedExchange::Request&) -> Result<HttpReply> {
    return http_reply(200, page({}, ++turn % 2 == 0 ? "even" : "odd"));
  };
  EXPECT_THAT(keys_of(storage().list("", "")), ElementsAre(HasSubstr("goes round in a circle")));
}

TEST_F(S3StorageTest, ABucketThatGoesAwayBetweenPagesWasNotEmpty) {
  storage({.prefix = "p", .create_bucket = true});
  http_.script = {says(200, page({}, "t")), refuses(404, "NoSuchBucket")};
  const auto listed = storage().list("", "");
  ASSERT_FALSE(listed.ok());
  EXPECT_TRUE(listed.error().retryable);
}

TEST_F(S3StorageTest, AMissingBucketReadsAsEmptyAndIsCreatedByTheFirstPut) {
  storage({.prefix = "p", .create_bucket = true});
  http_.otherwise = refuses(404, "NoSuchBucket");
  EXPECT_THAT(keys_of(storage().list("", "")), IsEmpty());
  EXPECT_FALSE(storage().get("k", 3).value_or(std::vector<std::byte>(1)).has_value());
  EXPECT_FALSE(storage().get_range("k", {.offset = 0, .length = 1}).value_or(std::vector<std::byte>(1)).has_value());
  EXPECT_TRUE(storage().remove({"k"}).ok());
  http_.requests.clear();
  http_.script = {refuses(404, "NoSuchBucket"),
                  says(200),
                  says(200),
                  refuses(404, "NoSuchBucket"),
                  refuses(409, "BucketAlreadyOwnedByYou"),
                  refuses(412, "PreconditionFailed")};
  EXPECT_TRUE(storage().put("k", {}).ok());
  EXPECT_FALSE(storage().put_if_absent("k", {}).value_or(true));
  EXPECT_THAT(http_.lines(), ElementsAre("PUT /models/p/k", "PUT /models", "PUT /models/p/k", "PUT /models/p/k",
                                         "PUT /models", "PUT /models/p/k"));
}

TEST_F(S3StorageTest, AMissingBucketIsAnErrorWhereItMayNotBeCreated) {
  http_.otherwise = refuses(404, "NoSuchBucket");
  EXPECT_EQ(storage().put("k", {}).error().code, ErrorCode::not_found);
  EXPECT_EQ(storage().get("k", 3).error().code, ErrorCode::not_found);
  EXPECT_EQ(storage().list("", "").error().code, ErrorCode::not_found);
  EXPECT_EQ(storage().remove({"k"}).error().code, ErrorCode::not_found);
}

TEST_F(S3StorageTest, APrefixThatIsNoneIsRefused) {
  for (const char* prefix : {"/a", "a/", "/"}) EXPECT_FALSE(S3Storage::create(client(), {.prefix = prefix}).ok());
  EXPECT_FALSE(S3Storage::create(client(), {.prefix = std::string(513, 'a')}).ok());
  EXPECT_TRUE(S3Storage::create(client(), {}).ok());
}

}  // namespace
}  // namespace cairn::s3
