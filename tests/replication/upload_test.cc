// SPDX-License-Identifier: Apache-2.0
//
// Uploads in parts: all of the content or nothing, and nothing left behind.
#include <gmock/gmock.h>

#include <atomic>

#include "replication/s3/client.h"
#include "replication/s3/transport.h"
#include "tests/replication/scripted_exchange.h"
#include "tests/replication/scripted_server.h"

namespace cairn::s3 {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::size_t kPart = 5 << 20;

// As a server keeps uploads, with what a test changes of its answers.
class UploadTest : public ClientTest {
 protected:
  UploadTest() {
    http_.otherwise = [this](const ScriptedExchange::Request& request) { return serve(request); };
    client([](ClientOptions& options) { options.part_bytes = kPart; });
  }
  Result<HttpReply> serve(const ScriptedExchange::Request& request) {
    const std::lock_guard guard(state_);
    if (const auto changed = change_ ? change_(request) : std::nullopt) return *changed;
    if (request.target.ends_with("?uploads=")) {
      return http_reply(200, "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>");
    }
    if (request.method == "PUT" && request.target.find("partNumber=") == std::string::npos) {
      object_ = request.body;
      return http_reply(200, "", {{"etag", "\"whole\""}});
    }
    if (request.method == "PUT") {
      const int number = std::stoi(request.target.substr(request.target.find("partNumber=") + 11));
      parts_[number] = request.body;
      return http_reply(200, "", {{"etag", "\"part" + std::to_string(number) + "\""}});
    }
    if (request.method == "DELETE") {
      aborted_ = true;
      return http_reply(204);
    }
    if (request.method == "HEAD") {
      if (!object_) return http_reply(404);
      return http_reply(200, "",
                        {{"content-length", std::to_string(object_->size())},
                         {"etag", "\"head-" + std::to_string(parts_.size()) + "\""}});
    }
    object_.emplace();
    for (const auto& [number, bytes] : parts_) *object_ += bytes;
    completed_ = request.body;
    return http_reply(200, "<CompleteMultipartUploadResult><ETag>" + etag_ + "</ETag></CompleteMultipartUploadResult>");
  }
  Client::ContentSource source_of(const std::string& content) {
    return [&content, at = std::size_t{0}](std::span<std::byte> into) mutable -> Result<std::size_t> {
      const std::size_t size = std::min(into.size(), content.size() - at);
      std::copy_n(bytes_of(content).begin() + static_cast<std::ptrdiff_t>(at), size, into.begin());
      at += size;
      return size;
    };
  }
  static std::string content_of(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 2654435761U >> 24);
    return text;
  }

  std::mutex state_;
  std::function<std::optional<HttpReply>(const ScriptedExchange::Request&)> change_;
  std::map<int, std::string> parts_;
  std::optional<std::string> object_;
  std::string completed_;
  std::string etag_ = "\"done\"";
  bool aborted_ = false;
};

TEST_F(UploadTest, ContentOfAnySizeArrivesAsItIs) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, kPart - 1, kPart, kPart + 1, 4 * kPart, 4 * kPart + 3}) {
    SCOPED_TRACE(size);
    parts_.clear();
    object_.reset();
    const std::string content = content_of(size);
    const auto done = client().put_in_parts("k", source_of(content));
    ASSERT_TRUE(done.ok()) << done.error().message;
    ASSERT_TRUE(object_.has_value());
    EXPECT_TRUE(*object_ == content);
    EXPECT_EQ(*done, size < kPart ? "\"whole\"" : "\"done\"");
    EXPECT_EQ(parts_.size(), size < kPart ? 0U : (size + kPart - 1) / kPart);
  }
  EXPECT_FALSE(aborted_);
  EXPECT_THAT(completed_, HasSubstr("<PartNumber>5</PartNumber><ETag>&quot;part5&quot;</ETag>"));
}

TEST_F(UploadTest, APartThatFailsForGoodAbortsTheUpload) {
  change_ = [](const ScriptedExchange::Request& request) -> std::optional<HttpReply> {
    if (request.target.find("partNumber=2") == std::string::npos) return std::nullopt;
    return http_reply(403, "<Error><Code>AccessDenied</Code></Error>");
  };
  const std::string content = content_of(6 * kPart);
  const auto done = client().put_in_parts("k", source_of(content));
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("upload part 2 s3://models/k"));
  EXPECT_TRUE(aborted_);
  EXPECT_FALSE(object_.has_value());
}

TEST_F(UploadTest, AnUploadThatCannotBeAbortedIsSaidToBeLeft) {
  change_ = [](const ScriptedExchange::Request& request) -> std::optional<HttpReply> {
    if (request.method != "DELETE" && request.target.find("partNumber=2") == std::string::npos) return std::nullopt;
    return http_reply(403, "<Error><Code>AccessDenied</Code></Error>");
  };
  const std::string content = content_of(2 * kPart);
  const auto done = client().put_in_parts("k", source_of(content));
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("and it could not be aborted: abort upload s3://models/k"));
}

TEST_F(UploadTest, ASourceThatFailsAbortsTheUploadAndIsAskedNoMore) {
  std::atomic<int> asked = 0;
  const auto done = client().put_in_parts("k", [&](std::span<std::byte> into) -> Result<std::size_t> {
    if (++asked == 3) return Error{.message = "the disk broke"};
    return into.size();
  });
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("the disk broke"));
  EXPECT_EQ(asked, 3);
  EXPECT_TRUE(aborted_);
}

TEST_F(UploadTest, TheEtagThatACompletionDoesNotSayIsLookedUp) {
  etag_ = "";
  const std::string content = content_of(kPart + 1);
  const auto done = client().put_in_parts("k", source_of(content));
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(*done, "\"head-2\"");
}

TEST_F(UploadTest, ACompletionThatFailsAfterTheHeaderOfSuccessIsAskedForAgain) {
  int completions = 0;
  change_ = [&](const ScriptedExchange::Request& request) -> std::optional<HttpReply> {
    if (request.method != "POST" || request.target.ends_with("?uploads=") || ++completions > 2) return std::nullopt;
    return http_reply(200, "<Error><Code>InternalError</Code></Error>");
  };
  const std::string content = content_of(kPart + 1);
  const auto done = client().put_in_parts("k", source_of(content));
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(completions, 3);
}

TEST_F(UploadTest, ACompletionWhoseAnswerWasLostIsFoundToBeDone) {
  int completions = 0;
  change_ = [&](const ScriptedExchange::Request& request) -> std::optional<HttpReply> {
    if (request.method != "POST" || request.target.ends_with("?uploads=")) return std::nullopt;
    if (++completions > 1) return http_reply(404, "<Error><Code>NoSuchUpload</Code></Error>");
    object_.emplace();
    for (const auto& [number, bytes] : parts_) *object_ += bytes;
    return http_reply(500);
  };
  const std::string content = content_of(kPart + 1);
  const auto done = client().put_in_parts("k", source_of(content));
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(*done, "\"head-2\"");
  EXPECT_THAT(http_.lines(), Not(Contains(HasSubstr("DELETE"))));
}

TEST_F(UploadTest, ACompletionOnAConnectionThatDiesIsFoundToBeDone) {
  ScriptedServer server;
  server.then(reply_of(200, "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>"));
  server.then(reply_of(200, "", "ETag: \"part1\"\r\n"));
  server.then({.bytes = "", .closes = true});
  server.then(reply_of(404, "<Error><Code>NoSuchUpload</Code></Error>"));
  server.then(
      {.bytes = "HTTP/1.1 200 OK\r\nETag: \"whole-1\"\r\nContent-Length: " + std::to_string(kPart) + "\r\n\r\n"});
  auto transport = Transport::create({});
  ASSERT_TRUE(transport.ok());
  auto over_network = Client::create(
      {.place = {.endpoint = server.endpoint(), .bucket = "models"}, .part_bytes = kPart, .parallel_max = 1},
      {.http = **transport,
       .credentials = credentials_,
       .now = [] { return Time(std::chrono::hours(400'000)); },
       .retry_clock = clock()});
  ASSERT_TRUE(over_network.ok());
  const std::string content = content_of(kPart);
  const auto done = (*over_network)->put_in_parts("k", source_of(content));
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(*done, "\"whole-1\"");
  EXPECT_EQ(server.requests().size(), 5U);
}

TEST_F(UploadTest, AnUploadThatIsGoneIsNotTakenForAnotherNumberOfParts) {
  for (const char* etag : {"\"head-21\"", "\"head-12\"", "\"-2-head\"", "\"head\""}) {
    SCOPED_TRACE(etag);
    int completions = 0;
    change_ = [&](const ScriptedExchange::Request& request) -> std::optional<HttpReply> {
      if (request.method == "HEAD") {
        return http_reply(200, "", {{"content-length", std::to_string(kPart + 1)}, {"etag", etag}});
      }
      if (request.method != "POST" || request.target.ends_with("?uploads=")) return std::nullopt;
      return ++completions == 1 ? http_reply(500) : http_reply(404, "<Error><Code>NoSuchUpload</Code></Error>");
    };
    const std::string content = content_of(kPart + 1);
    const auto done = client().put_in_parts("k", source_of(content));
    ASSERT_FALSE(done.ok());
    EXPECT_THAT(done.error().message, HasSubstr("the multipart upload is gone"));
  }
}

TEST_F(UploadTest, AnAnswerThatIsLostAtAnyRequestLosesNothingElse) {
  const std::string content = content_of(2 * kPart + 1);
  for (const bool was_done : {false, true}) {
    for (std::size_t lost = 0;; ++lost) {
      SCOPED_TRACE(lost);
      object_.reset();
      parts_.clear();
      http_.requests.clear();
      std::atomic<std::size_t> number = 0;
      std::atomic<bool> is_done = false;
      http_.otherwise = [&](const ScriptedExchange::Request& request) -> Result<HttpReply> {
        const bool completes = request.target.find("?uploadId=") != std::string::npos && request.method == "POST";
        const bool is_lost = number++ == lost;
        if (is_lost && !was_done) return Error{.message = "the connection broke", .retryable = true};
        if (completes && is_done.exchange(true)) return http_reply(404, "<Error><Code>NoSuchUpload</Code></Error>");
        Result<HttpReply> reply = serve(request);
        if (is_lost) return Error{.message = "the connection broke", .retryable = true};
        return reply;
      };
      const auto done = client().put_in_parts("k", source_of(content));
      ASSERT_TRUE(done.ok()) << done.error().message;
      EXPECT_TRUE(*object_ == content);
      EXPECT_FALSE(aborted_);
      if (number <= lost) break;
    }
    EXPECT_GE(http_.requests.size(), 5U);
  }
}

TEST_F(UploadTest, PartsGrowWithTheContentThatIsExpected) {
  const auto done = client().put_in_parts(
      "k", [](std::span<std::byte> into) -> Result<std::size_t> { return into.size() == 6 << 20 ? 1 : 0; },
      std::uint64_t{10'000} * (6 << 20) - 1);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(object_->size(), 1U);
}

TEST_F(UploadTest, MoreThanPartsHoldIsRefusedBeforeAnythingIsRead) {
  for (const std::uint64_t bytes : {std::uint64_t{10'000} * kPartBytesMax, ~std::uint64_t{0}}) {
    const auto done = client().put_in_parts(
        "k",
        [](std::span<std::byte>) -> Result<std::size_t> {
          ADD_FAILURE() << "it was read";
          return Error{.message = "it was read"};
        },
        bytes);
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(done.error().message, HasSubstr("put s3://models/k"));
  }
  EXPECT_TRUE(http_.requests.empty());
}

TEST_F(UploadTest, AbandonedUploadsAreListedPageByPageAndTheOldOnesAborted) {
  change_ = [](const ScriptedExchange::Request& request) -> std::optional<HttpReply> {
    if (request.method != "GET") return std::nullopt;
    const auto upload = [](const std::string& id, const std::string& time) {
      return "<Upload><Key>p/k</Key><UploadId>" + id + "</UploadId><Initiated>" + time + "</Initiated></Upload>";
    };
    if (request.target.find("key-marker") == std::string::npos) {
      return http_reply(200,
                        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>p/k</NextKeyMarker>"
                        "<NextUploadIdMarker>A</NextUploadIdMarker>" +
                            upload("A", "2015-01-01T00:00:00Z") + "</ListMultipartUploadsResult>");
    }
    return http_reply(200, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>" +
                               upload("B", "2016-01-01T00:00:00Z") + "</ListMultipartUploadsResult>");
  };
  const auto aborted = client().abort_uploads("p/", *parse_time("2015-06-01T00:00:00Z"));
  ASSERT_TRUE(aborted.ok()) << aborted.error().message;
  EXPECT_EQ(*aborted, 1U);
  EXPECT_THAT(http_.lines(),
              ElementsAre("GET /models?encoding-type=url&prefix=p%2F&uploads=",
                          "GET /models?encoding-type=url&key-marker=p%2Fk&prefix=p%2F&upload-id-marker=A&uploads=",
                          "DELETE /models/p/k?uploadId=A"));
}

}  // namespace
}  // namespace cairn::s3
