// SPDX-License-Identifier: Apache-2.0
//
// Artifacts on a bucket that fails where a test says: a file is whole or what it was, and so is an artifact.
#include "cairn/artifacts.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <sstream>

#include "api/src/artifact_bucket.h"
#include "tests/replication/scripted_exchange.h"
#include "tests/support/scratch_folder.h"

namespace cairn::s3 {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::size_t kPart = 5 << 20;

// A bucket in memory, with what a test changes of its answers.
class ArtifactsTest : public ClientTest {
 protected:
  ArtifactsTest() {
    http_.otherwise = [this](const ScriptedExchange::Request& request) -> Result<HttpReply> {
      const std::lock_guard guard(state_);
      if (const auto changed = change_ ? change_(request) : std::nullopt) return *changed;
      return serve(request);
    };
  }
  Artifacts artifacts(ArtifactsOptions options = {.part_bytes = kPart, .parallel = 3}) {
    Client& one = client([&](ClientOptions& of) {
      of.part_bytes = options.part_bytes;
      of.parallel_max = options.parallel;
      of.sign_payload_without_tls = false;
    });
    return ArtifactBucket::artifacts_of(std::make_unique<ArtifactBucket>(one, "team", "s3://models/team", options));
  }

  HttpReply serve(const ScriptedExchange::Request& request) {
    const std::string path = request.target.substr(0, request.target.find('?'));
    const std::string key = path.size() > 8 ? path.substr(8) : "";  // behind "/models/"
    const auto has = [&](const char* word) { return request.target.find(word) != std::string::npos; };
    if (!bucket_is_there_ && !(request.method == "PUT" && key.empty())) {
      return http_reply(404, "<Error><Code>NoSuchBucket</Code></Error>");
    }
    if (key.empty()) return serve_bucket(request);
    if (has("?uploads=")) {
      return http_reply(200, "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>");
    }
    if (has("partNumber=")) {
      parts_[std::stoi(request.target.substr(request.target.find("partNumber=") + 11))] = request.body;
      return http_reply(200, "", {{"etag", "\"part\""}});
    }
    if (has("uploadId=") && request.method == "DELETE") {
      parts_.clear();
      return http_reply(204);
    }
    if (has("uploadId=")) {
      objects_[key].clear();
      for (const auto& [number, bytes] : parts_) objects_[key] += bytes;
      return http_reply(200, "<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag></CompleteMultipartUploadResult>");
    }
    if (request.method == "PUT") {
      objects_[key] = request.body;
      return http_reply(200, "", {{"etag", "\"e\""}});
    }
    const auto object = objects_.find(key);
    if (object == objects_.end()) return http_reply(404, "<Error><Code>NoSuchKey</Code></Error>");
    const std::string& content = object->second;
    if (request.method == "HEAD") {
      return http_reply(200, "", {{"content-length", std::to_string(content.size())}, {"etag", "\"e\""}});
    }
    const std::string range = request.header("range");
    if (range.empty()) return http_reply(200, content);
    const std::size_t first = std::stoull(range.substr(6));
    const std::size_t last = std::stoull(range.substr(range.find('-') + 1));
    return http_reply(206, content.substr(first, last - first + 1),
                      {{"content-range", "bytes " + range.substr(6) + "/" + std::to_string(content.size())}});
  }
  HttpReply serve_bucket(const ScriptedExchange::Request& request) {
    if (request.method == "PUT") {
      bucket_is_there_ = true;
      return http_reply(200);
    }
    if (request.method == "POST") {
      std::string text = "<DeleteResult>";
      for (auto object = objects_.begin(); object != objects_.end();) {
        const bool is_asked = request.body.find("<Key>" + object->first + "</Key>") != std::string::npos;
        const bool stays = object->first.ends_with("locked");
        if (is_asked && stays) text += "<Error><Key>" + object->first + "</Key><Code>AccessDenied</Code></Error>";
        if (is_asked && !stays) text += "<Deleted><Key>" + object->first + "</Key></Deleted>";
        object = is_asked && !stays ? objects_.erase(object) : std::next(object);
      }
      return http_reply(200, text + "</DeleteResult>");
    }
    const auto query = [&](const std::string& name) {
      const auto at = request.target.find(name + "=");
      if (at == std::string::npos) return std::string();
      std::string value = request.target.substr(at + name.size() + 1);
      value = value.substr(0, value.find('&'));
      for (std::size_t slash = 0; (slash = value.find("%2F")) != std::string::npos;) value.replace(slash, 3, "/");
      return value;
    };
    std::string text = "<ListBucketResult>";
    std::size_t left = std::stoull(query("max-keys"));
    bool has_more = false;
    for (const auto& [key, content] : objects_) {
      if (!key.starts_with(query("prefix")) || key <= query("start-after")) continue;
      has_more = left == 0;
      if (has_more) break;
      --left;
      text += "<Contents><Key>" + key + "</Key><Size>" + std::to_string(content.size()) + "</Size></Contents>";
    }
    text += has_more ? "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
                     : "<IsTruncated>false</IsTruncated>";
    return http_reply(200, text + "</ListBucketResult>");
  }

  static std::string content_of(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 2654435761U >> 24);
    return text;
  }
  static void write(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
  }
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  cairn::testing::ScratchFolder folder_;
  std::mutex state_;
  std::function<std::optional<HttpReply>(const ScriptedExchange::Request&)> change_;
  std::map<std::string, std::string> objects_;
  std::map<int, std::string> parts_;
  bool bucket_is_there_ = true;
};

TEST_F(ArtifactsTest, AFileIsWholeOrWhatItWasWhicheverRequestFails) {
  const std::string content = content_of(3 * kPart + 17);
  objects_["team/a"] = content;
  Artifacts all = artifacts();
  const std::string path = folder_ / "file";
  write(path, "before");
  for (const int status : {403, 404, 412, 206}) {
    for (int fails_at = 0; fails_at < 5; ++fails_at) {
      SCOPED_TRACE(std::to_string(status) + " at " + std::to_string(fails_at));
      int at = 0;
      change_ = [&](const ScriptedExchange::Request& request) -> std::optional<HttpReply> {
        if (at++ != fails_at) return std::nullopt;
        // A range that ends before its end.
        if (status == 206 && request.method == "HEAD") return http_reply(403);
        if (status == 206) return http_reply(206, "short", {{"content-range", "bytes 0-4/5"}});
        return http_reply(status, "<Error><Code>AnyCode</Code></Error>");
      };
      const auto got = all.get_file("a", path);
      ASSERT_FALSE(got.ok());
      EXPECT_THAT(got.error().message, HasSubstr("a"));
      EXPECT_EQ(read(path), "before");
      EXPECT_THAT(files(), ElementsAre("file"));
    }
  }
  change_ = nullptr;
  const auto got = all.get_file("a", path);
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->bytes, content.size());
  EXPECT_TRUE(read(path) == content);
  EXPECT_THAT(files(), ElementsAre("file"));
}

TEST_F(ArtifactsTest, WhatIsInTheWayOfAFileIsNotReplacedUnlessItIsOne) {
  objects_["team/a"] = "new";
  Artifacts all = artifacts();
  EXPECT_EQ(all.get_file("a", folder_.path().string()).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(all.get_file("a", "/dev/null").error().code, ErrorCode::invalid_argument);
  const auto nowhere = all.get_file("a", folder_ / "no/such/file");
  EXPECT_EQ(nowhere.error().code, ErrorCode::io) << nowhere.error().message;
  write(folder_ / "target", "old");
  std::filesystem::create_symlink("target", folder_ / "link");
  ASSERT_TRUE(all.get_file("a", folder_ / "link").ok());
  EXPECT_EQ(read(folder_ / "target"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "link"));
}

TEST_F(ArtifactsTest, AStopEndsADownloadAndLeavesNothing) {
  objects_["team/a"] = content_of(4 * kPart);
  std::stop_source stop;
  Progress progress;
  progress.stop = stop.get_token();
  change_ = [&](const ScriptedExchange::Request& request) -> std::optional<HttpReply> {
    if (request.method == "GET") stop.request_stop();
    return std::nullopt;
  };
  const auto got = artifacts().get_file("a", folder_ / "file", progress);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, ErrorCode::cancelled);
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(ArtifactsTest, AMissingBucketIsMadeByAPutAndWhatAPipeGaveIsNotLost) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{9}, kPart, 2 * kPart + 1}) {
    SCOPED_TRACE(size);
    bucket_is_there_ = false;
    const std::string content = content_of(size);
    std::size_t at = 0;
    const auto source = [&](std::span<std::byte> into) -> Result<std::size_t> {
      const std::size_t part = std::min(into.size(), content.size() - at);
      std::ranges::copy(bytes_of(content).subspan(at, part), into.begin());
      at += part;
      return part;
    };
    Artifacts all = artifacts();
    EXPECT_EQ(all.list().error().code, ErrorCode::not_found) << "reading makes none";
    const auto put = all.put_stream("piped", source);
    ASSERT_TRUE(put.ok()) << put.error().message;
    EXPECT_EQ(put->bytes, size);
    EXPECT_TRUE(objects_["team/piped"] == content);
    bucket_is_there_ = false;
    ASSERT_TRUE(artifacts().put("bytes", bytes_of(content)).ok());
    EXPECT_TRUE(objects_["team/bytes"] == content);
  }
  bucket_is_there_ = false;
  EXPECT_EQ(artifacts({.part_bytes = kPart, .create_bucket = false}).put("a", {}).error().code, ErrorCode::not_found);
}

TEST_F(ArtifactsTest, AFileThatChangesWhileItIsReadIsNotPut) {
  const std::string path = folder_ / "file";
  write(path, content_of(3 * kPart));
  objects_["team/a"] = "before";
  change_ = [&](const ScriptedExchange::Request& request) -> std::optional<HttpReply> {
    if (request.target.ends_with("?uploads=")) std::ofstream(path, std::ios::app) << "more";
    return std::nullopt;
  };
  const auto put = artifacts().put_file("a", path);
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.error().code, ErrorCode::conflict) << put.error().message;
  EXPECT_EQ(objects_["team/a"], "before");
  EXPECT_THAT(parts_, IsEmpty()) << "the upload was not aborted";
  EXPECT_EQ(artifacts().put_file("a", folder_ / "absent").error().code, ErrorCode::io);
}

TEST_F(ArtifactsTest, APrefixIsOfNamesBelowThePlaceAndWhatStaysIsNamed) {
  for (const char* key :
       {"team/", "team/run/1", "team/run/2", "team/run/locked", "team/run3", "team2/run/1", "run/1"}) {
    objects_[key] = "123";
  }
  Artifacts all = artifacts();
  EXPECT_EQ(all.total()->artifacts, 4U);
  const auto page = all.list("run", "", 2);
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->artifacts.at(0).name, "run/1");
  EXPECT_EQ(page->next, "run/2");
  const auto rest = all.list("run", page->next, 2);
  EXPECT_EQ(rest->artifacts.at(1).name, "run3");
  EXPECT_EQ(rest->next, "");
  EXPECT_EQ(all.remove_all("").error().code, ErrorCode::invalid_argument);

  const auto dry = all.remove_all("run/", true);
  ASSERT_TRUE(dry.ok()) << dry.error().message;
  EXPECT_EQ(dry->removed, 3U);
  EXPECT_EQ(dry->removed_bytes, 9U);
  EXPECT_EQ(objects_.size(), 7U);
  const auto removed = all.remove_all("run/");
  ASSERT_TRUE(removed.ok()) << removed.error().message;
  EXPECT_EQ(removed->removed, 2U);
  EXPECT_EQ(removed->removed_bytes, 6U);
  ASSERT_EQ(removed->failed.size(), 1U);
  EXPECT_EQ(removed->failed[0].name, "run/locked");
  EXPECT_THAT(removed->failed[0].error.message, HasSubstr("AccessDenied"));
  EXPECT_THAT(objects_, AllOf(Contains(::testing::Key("team2/run/1")), Contains(::testing::Key("run/1")),
                              Contains(::testing::Key("team/run3")), Not(Contains(::testing::Key("team/run/1")))));
}

TEST_F(ArtifactsTest, WhatIsNotThereIsNotFoundAndANameIsNotEmpty) {
  Artifacts all = artifacts();
  EXPECT_EQ(all.get("absent", 10).error().code, ErrorCode::not_found);
  EXPECT_EQ(all.get("absent", 1 << 30).error().code, ErrorCode::not_found);
  EXPECT_EQ(all.stat("absent").error().message, "no artifact 'absent' at s3://models/team");
  EXPECT_EQ(all.get_file("absent", folder_ / "file").error().code, ErrorCode::not_found);
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_FALSE(all.remove("absent").value_or(true));
  objects_["team/there"] = "123456";
  EXPECT_EQ(all.get("there", 5).error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(text_of(*all.get("there", 6)), "123456");
  EXPECT_TRUE(all.remove("there").value_or(false));
  EXPECT_EQ(all.put("", {}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(all.put(std::string(1020, 'a'), {}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(all.abort_uploads("", std::chrono::seconds(-1)).error().code, ErrorCode::invalid_argument);
  for (const std::chrono::seconds time : {std::chrono::seconds(0), std::chrono::seconds(7 * 86400 + 1)}) {
    EXPECT_EQ(all.url_to_get("a", time).error().code, ErrorCode::invalid_argument);
  }
  EXPECT_THAT(*all.url_to_put("a b"), AllOf(HasSubstr("/models/team/a%20b?"), HasSubstr("X-Amz-Expires=3600")));
}

TEST_F(ArtifactsTest, APlaceThatMakesNoSenseIsRefused) {
  for (const ArtifactPlace& place : {ArtifactPlace{.url = ""}, ArtifactPlace{.url = "http://models"},
                                     ArtifactPlace{.url = "s3://models", .endpoint = "https://user:canary@host"}}) {
    const auto opened = Artifacts::open(place);
    ASSERT_FALSE(opened.ok());
    EXPECT_THAT(opened.error().message, Not(HasSubstr("canary")));
  }
  EXPECT_EQ(Artifacts::open({.url = "s3://models"}, {.part_bytes = 1}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(Artifacts::open({.url = "s3://models"}, {.parallel = 0}).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace cairn::s3
