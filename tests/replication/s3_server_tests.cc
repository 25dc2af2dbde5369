// SPDX-License-Identifier: Apache-2.0
//
// The client against a real server, which s3_server_test.py starts and names in the environment: everything that the
// client can do, and how it says what it may not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "replication/s3/client.h"
#include "replication/s3/s3_storage.h"
#include "replication/s3/transport.h"

namespace cairn::s3 {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::size_t kMiB = 1 << 20;
constexpr const char* kCanary = "canary-7d5e1f0a93";

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}
// How many objects make a listing of several pages; less where the server is slow.
int many() { return variable("CAIRN_S3_MANY").empty() ? 1'100 : std::stoi(variable("CAIRN_S3_MANY")); }

std::string content_of(std::size_t size, unsigned seed) {
  std::mt19937 source(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(source());
  return text;
}
std::vector<std::span<const std::byte>> one_part(std::string_view text) { return {std::as_bytes(std::span(text))}; }
std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Time now() { return std::chrono::floor<seconds>(std::chrono::system_clock::now()); }

// Whose requests they are, and what is wrong with them.
struct Caller {
  std::string endpoint = variable("CAIRN_S3_ENDPOINT");
  std::string key = variable("CAIRN_S3_KEY");
  std::string secret = variable("CAIRN_S3_SECRET");
  std::string token{};
  std::string ca_file = variable("CAIRN_S3_CA");
  std::string bucket = "cairn-tests";
  hours clock_ahead{0};
};

// A client with everything that it borrows. A request that fails is tried twice, so that errors come soon.
class Session {
 public:
  explicit Session(const Caller& caller)
      : transport_(*Transport::create({.ca_file = caller.ca_file})),
        credentials_(
            {[caller]() -> Result<std::optional<Credentials>> {
              return std::optional(Credentials{
                  .key = {.id = caller.key, .secret = Secret(caller.secret), .session_token = Secret(caller.token)},
                  .expires = std::nullopt,
                  .source = "a test"});
            }},
            now) {
    ClientOptions options{.place = {.endpoint = *parse_endpoint(caller.endpoint), .bucket = caller.bucket},
                          .retry = {.attempts_max = 2},
                          .part_bytes = 5 * kMiB};
    client_ = *Client::create(std::move(options), {.http = *transport_,
                                                   .credentials = credentials_,
                                                   .now = [ahead = caller.clock_ahead] { return now() + ahead; },
                                                   .retry_clock = system_retry_clock()});
  }
  Client& client() { return *client_; }
  Transport& transport() { return *transport_; }

 private:
  std::unique_ptr<Transport> transport_;
  CredentialChain credentials_;
  std::unique_ptr<Client> client_;
};

// The words of an error, in which nobody may find a secret.
template <class T>
std::string words(const Result<T>& result) {
  if (result.ok()) return "no error";
  EXPECT_THAT(result.error().message, Not(HasSubstr(kCanary)));
  EXPECT_THAT(result.error().message, Not(HasSubstr("SECRET")));
  return result.error().message;
}

class S3ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(variable("CAIRN_S3_ENDPOINT").empty()) << "s3_server_test.py starts a server and runs this";
    const Status created = session_.client().create_bucket();
    ASSERT_TRUE(created.ok()) << created.error().message;
  }
  Client& client() { return session_.client(); }
  std::string read(const std::string& key) {
    const auto got = client().get(key, 100 * kMiB);
    if (!got.ok()) return got.error().message;
    return *got ? text_of(**got) : "(nothing)";
  }
  std::vector<std::string> keys_below(const std::string& prefix) {
    std::vector<std::string> keys;
    Client::ListOptions options{.prefix = prefix};
    do {
      auto page = client().list(options);
      EXPECT_TRUE(page.ok()) << page.error().message;
      if (!page.ok()) break;
      for (const ListedObject& object : page->objects) keys.push_back(object.key);
      options.token = page->next_token;
    } while (!options.token.empty());
    return keys;
  }

  Session session_{Caller()};
};

TEST_F(S3ServerTest, WhatIsPutIsRead) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kMiB + 1, 9 * kMiB}) {
    const std::string content = content_of(size, 1);
    const auto all = std::as_bytes(std::span(content));
    const std::vector<std::span<const std::byte>> parts = {all.first(size / 3), all.subspan(size / 3)};
    const auto etag =
        client().put("object", parts, {.content_type = "application/x-cairn", .metadata = {{"step", "7"}}});
    ASSERT_TRUE(etag.ok()) << etag.error().message;
    EXPECT_TRUE(read("object") == content) << size;
    const auto info = client().head("object");
    ASSERT_TRUE(info.ok() && *info);
    EXPECT_EQ((*info)->size, size);
    EXPECT_EQ((*info)->etag, *etag);
    EXPECT_EQ((*info)->content_type, "application/x-cairn");
    EXPECT_EQ((*info)->metadata, (Metadata{{"step", "7"}}));
  }
  EXPECT_EQ(session_.transport().counts().connections, 1U);
}

TEST_F(S3ServerTest, KeysOfAnyCharactersAreKeptApart) {
  const std::vector<std::string> keys = {"k/a b",
                                         "k/a+b",
                                         "k/a%20b",
                                         "k/a%2Bb",
                                         "k/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
                                         "k/<&>\"'",
                                         "k/a?b=c",
                                         "k/a#b",
                                         "k/~._-",
                                         "k/a\\b",
                                         "k/=;:@!$*,(){}[]^`|"};
  for (const std::string& key : keys) {
    const auto put = client().put(key, one_part("content of " + key));
    EXPECT_TRUE(put.ok()) << words(put);
  }
  for (const std::string& key : keys) EXPECT_EQ(read(key), "content of " + key);
  const std::vector<std::string> listed = keys_below("k/");
  EXPECT_EQ(std::set(listed.begin(), listed.end()), std::set(keys.begin(), keys.end()));
  const auto failed = client().remove(keys);
  ASSERT_TRUE(failed.ok()) << words(failed);
  EXPECT_THAT(*failed, SizeIs(0));
  EXPECT_THAT(keys_below("k/"), SizeIs(0));
}

TEST_F(S3ServerTest, RangesAndLargeObjectsAreReadAsTheyAre) {
  const std::string content = content_of(13 * kMiB + 5, 2);
  ASSERT_TRUE(client().put("large", one_part(content)).ok());
  for (const auto& [offset, length] :
       {std::pair<std::size_t, std::size_t>{0, 1}, {5, 100}, {13 * kMiB, 5}, {0, content.size()}}) {
    const auto got = client().get_range("large", offset, length);
    ASSERT_TRUE(got.ok() && *got) << words(got);
    EXPECT_TRUE(text_of(**got) == content.substr(offset, length));
  }
  for (const std::size_t offset : {13 * kMiB, 14 * kMiB}) {
    const auto behind = client().get_range("large", offset, 6);
    ASSERT_FALSE(behind.ok());
    EXPECT_EQ(behind.error().code, ErrorCode::corruption) << words(behind);
  }
  const auto whole = client().get_in_ranges("large", 14 * kMiB);
  ASSERT_TRUE(whole.ok() && *whole) << words(whole);
  EXPECT_TRUE(text_of(**whole) == content);
  EXPECT_EQ(client().get("large", kMiB).error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(client().get_in_ranges("large", kMiB).error().code, ErrorCode::resource_exhausted);
  EXPECT_FALSE(client().get("nothing", 10).value_or(std::vector<std::byte>()).has_value());
  EXPECT_FALSE(client().get_range("nothing", 0, 10).value_or(std::vector<std::byte>()).has_value());
  EXPECT_FALSE(client().get_in_ranges("nothing", 10).value_or(std::vector<std::byte>()).has_value());
}

TEST_F(S3ServerTest, OfManyWhoPutIfAbsentOneWins) {
  const bool has_conditions = variable("CAIRN_S3_CONDITIONS") == "yes";
  for (int round = 0; round < (has_conditions ? 10 : 1); ++round) {
    const std::string key = "race/" + std::to_string(round);
    ASSERT_TRUE(client().remove({key}).ok());
    std::vector<std::thread> threads;
    std::vector<int> won(8, -1);
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const auto done = client().put_if_absent(key, one_part("by " + std::to_string(i)));
        EXPECT_TRUE(done.ok()) << words(done);
        won[i] = done.ok() && *done;
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (!has_conditions) continue;
    ASSERT_EQ(std::count(won.begin(), won.end(), 1), 1);
    EXPECT_EQ(read(key), "by " + std::to_string(std::find(won.begin(), won.end(), 1) - won.begin()));
  }
  EXPECT_FALSE(client().put_if_absent("race/0", one_part("late")).value_or(true));
  EXPECT_EQ(client().conditions_unsupported(), !has_conditions);
}

TEST_F(S3ServerTest, ManyObjectsAreListedInOrderAndRemoved) {
  auto storage = *S3Storage::create(client(), {.prefix = "many/of them"});
  std::vector<std::thread> threads;
  std::atomic<int> next = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = next++; n < many(); n = next++) {
        const Status put = storage->put("k" + std::to_string(n), one_part(std::string(n % 7, 'x')));
        EXPECT_TRUE(put.ok()) << words(put);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::map<std::string, std::uint64_t> listed;
  std::string after;
  while (true) {
    const auto page = storage->list("k", after);
    ASSERT_TRUE(page.ok()) << words(page);
    if (page->empty()) break;
    for (const auto& entry : *page) {
      EXPECT_GT(entry.key, after);
      after = entry.key;
      listed[entry.key] = entry.bytes;
    }
  }
  ASSERT_EQ(listed.size(), static_cast<std::size_t>(many()));
  std::vector<std::string> keys = {"was never there"};
  for (int n = 0; n < many(); ++n) {
    keys.push_back("k" + std::to_string(n));
    EXPECT_EQ(listed[keys.back()], static_cast<std::uint64_t>(n % 7));
  }
  const auto failed = storage->remove(keys);
  ASSERT_TRUE(failed.ok()) << words(failed);
  EXPECT_THAT(*failed, SizeIs(0));
  EXPECT_TRUE(storage->list("", "").value_or({{.key = "left"}}).empty());
}

TEST_F(S3ServerTest, FoldersAreFoldedWhereTheyAreAskedFor) {
  for (const char* key : {"f/a", "f/b/1", "f/b/2", "f/c"}) ASSERT_TRUE(client().put(key, {}).ok());
  const auto page = client().list({.prefix = "f/", .delimiter = "/"});
  ASSERT_TRUE(page.ok()) << words(page);
  EXPECT_EQ(page->common_prefixes, std::vector<std::string>{"f/b/"});
  EXPECT_THAT(page->objects, SizeIs(2));
}

TEST_F(S3ServerTest, ACopyHasTheBytesAndTheMetadata) {
  ASSERT_TRUE(client().put("copy/from it", one_part("content"), {.metadata = {{"step", "7"}}}).ok());
  const Status copied = client().copy("copy/from it", "copy/to");
  ASSERT_TRUE(copied.ok()) << words(copied);
  EXPECT_EQ(read("copy/to"), "content");
  EXPECT_EQ(client().head("copy/to").value_or(std::nullopt).value_or(ObjectInfo()).metadata["step"], "7");
  const Status missing = client().copy("copy/nothing", "copy/to");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::not_found) << words(missing);
}

TEST_F(S3ServerTest, LargeContentIsPutInPartsAndNothingIsLeftOfWhatFails) {
  const std::string content = content_of(17 * kMiB, 3);
  std::size_t at = 0;
  const auto source = [&](std::span<std::byte> into) -> Result<std::size_t> {
    const std::size_t size = std::min(into.size(), content.size() - at);
    std::copy_n(std::as_bytes(std::span(content)).begin() + static_cast<std::ptrdiff_t>(at), size, into.begin());
    at += size;
    return size;
  };
  const auto etag = client().put_in_parts("parts/a", source, 0, {.metadata = {{"step", "7"}}});
  ASSERT_TRUE(etag.ok()) << words(etag);
  EXPECT_THAT(*etag, HasSubstr("-4"));
  EXPECT_TRUE(read("parts/a") == content);
  EXPECT_EQ(client().head("parts/a").value_or(std::nullopt).value_or(ObjectInfo()).metadata["step"], "7");

  int asked = 0;
  const auto broken = client().put_in_parts("parts/b", [&](std::span<std::byte> into) -> Result<std::size_t> {
    if (++asked == 3) return Error{.message = "the disk broke"};
    return into.size();
  });
  EXPECT_THAT(words(broken), HasSubstr("the disk broke"));
  const auto pending = client().pending_uploads("parts/");
  ASSERT_TRUE(pending.ok()) << words(pending);
  EXPECT_THAT(*pending, SizeIs(0));
  EXPECT_EQ(read("parts/b"), "(nothing)");
}

TEST_F(S3ServerTest, AbandonedUploadsAreFoundAndAborted) {
  const std::string content = content_of(6 * kMiB, 4);
  std::atomic<bool> began = false;
  std::vector<PendingUpload> seen;
  const auto done = client().put_in_parts("abandoned/a", [&](std::span<std::byte> into) -> Result<std::size_t> {
    if (!began.exchange(true)) return into.size();
    seen = client().pending_uploads("abandoned/").value_or({});
    // Whoever else cleans up takes it away while it is under way.
    EXPECT_EQ(client().abort_uploads("abandoned/", now() - hours(1)).value_or(99), 0U);
    EXPECT_EQ(client().abort_uploads("abandoned/", now() + hours(1)).value_or(99), 1U);
    return 10;
  });
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].key, "abandoned/a");
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(words(done), HasSubstr("abandoned/a"));
  EXPECT_EQ(read("abandoned/a"), "(nothing)");
  EXPECT_TRUE(client().abort_upload(seen[0]).ok());
}

TEST_F(S3ServerTest, PresignedUrlsWorkForWhoHasNoKey) {
  const auto ask = [&](const Result<std::string>& url, std::string_view method, std::string_view body) {
    EXPECT_TRUE(url.ok()) << words(url);
    const std::string text = url.ok() ? *url : "";
    const auto slash = text.find('/', 8);
    const auto parts = one_part(body);
    return session_.transport().exchange({.method = method,
                                          .endpoint = *parse_endpoint(text.substr(0, slash)),
                                          .host = {},
                                          .target = std::string_view(text).substr(slash),
                                          .headers = {},
                                          .body = parts,
                                          .reply_bytes_max = 1000,
                                          .time_max = {}});
  };
  const auto put = ask(client().presigned_put("signed for/you", seconds(60)), "PUT", "by anyone");
  ASSERT_TRUE(put.ok()) << words(put);
  EXPECT_EQ(put->status, 200);
  EXPECT_EQ(read("signed for/you"), "by anyone");
  const auto got = ask(client().presigned_get("signed for/you", seconds(60)), "GET", "");
  ASSERT_TRUE(got.ok()) << words(got);
  EXPECT_EQ(got->text(), "by anyone");
}

TEST_F(S3ServerTest, AMissingBucketIsCreatedWhereItMayBe) {
  Session session({.bucket = "made-by-the-first-put"});
  const auto missing = session.client().get("k", 10);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(words(missing), HasSubstr("get s3://made-by-the-first-put/k: there is no such bucket"));
  EXPECT_THAT(words(session.client().put("k", {})), HasSubstr("there is no such bucket"));
  EXPECT_THAT(words(session.client().list({})), HasSubstr("there is no such bucket"));
  auto storage = *S3Storage::create(session.client(), {.prefix = "p", .create_bucket = true});
  EXPECT_TRUE(storage->list("", "").value_or({{.key = "x"}}).empty());
  const auto won = storage->put_if_absent("k", one_part("v"));
  EXPECT_TRUE(won.ok() && *won) << words(won);
  EXPECT_EQ(text_of(storage->get("k", 10).value_or(std::nullopt).value_or(std::vector<std::byte>())), "v");
  EXPECT_TRUE(session.client().create_bucket().ok());
}

// Each with every kind of request that could leave a secret in its error.
void expect_refused(const Caller& caller, const ::testing::Matcher<std::string>& said) {
  Session session(caller);
  EXPECT_THAT(words(session.client().put("k", one_part("v"))), said);
  EXPECT_THAT(words(session.client().get("k", 10)), said);
  EXPECT_THAT(words(session.client().list({})), said);
  EXPECT_THAT(words(session.client().remove({"k"})), said);
  EXPECT_THAT(words(session.client().copy("k", "l")), said);
  EXPECT_FALSE(session.client().head("k").ok() && session.client().head("k")->has_value());
}

TEST_F(S3ServerTest, AWrongSecretIsSaidToBeOne) {
  expect_refused({.secret = kCanary}, HasSubstr("the access key is unknown or its secret another"));
}

TEST_F(S3ServerTest, AnUnknownKeyIsSaidToBeOne) {
  expect_refused({.key = "NOBODY", .secret = kCanary}, HasSubstr("the access key is unknown or its secret another"));
}

TEST_F(S3ServerTest, ASessionThatTheServerDoesNotKnowIsRefused) {
  if (variable("CAIRN_S3_SESSIONS").empty()) GTEST_SKIP() << "this server looks at no session tokens";
  expect_refused({.endpoint = variable("CAIRN_S3_SESSIONS"), .token = kCanary},
                 HasSubstr("the server refuses it (HTTP 400, 'InvalidArgument'"));
}

TEST_F(S3ServerTest, AClockThatIsWrongIsSaidToBeWrong) {
  for (const int ahead : {-2, 2}) {
    expect_refused({.clock_ahead = hours(ahead)},
                   HasSubstr("the clocks of this machine and of the server differ by too much"));
  }
}

TEST_F(S3ServerTest, WhoeverHasNoPermissionIsTold) {
  if (variable("CAIRN_S3_OTHER_KEY").empty()) GTEST_SKIP() << "this server has one user";
  expect_refused({.key = variable("CAIRN_S3_OTHER_KEY"), .secret = variable("CAIRN_S3_OTHER_SECRET")},
                 HasSubstr("the credentials do not permit it"));
  Session other({.key = variable("CAIRN_S3_OTHER_KEY"), .secret = variable("CAIRN_S3_OTHER_SECRET")});
  EXPECT_EQ(other.client().create_bucket().error().code, ErrorCode::already_exists);
}

class S3TlsTest : public S3ServerTest {
 protected:
  void SetUp() override {
    if (variable("CAIRN_S3_TLS_GOOD").empty()) GTEST_SKIP() << "there is no TLS before this server";
    S3ServerTest::SetUp();
  }
};

TEST_F(S3TlsTest, EverythingWorksOverTls) {
  Session session({.endpoint = variable("CAIRN_S3_TLS_GOOD")});
  const std::string content = content_of(9 * kMiB, 5);
  for (int i = 0; i < 3; ++i) {
    const auto put = session.client().put("tls", one_part(content));
    ASSERT_TRUE(put.ok()) << words(put);
    const auto got = session.client().get("tls", 10 * kMiB);
    ASSERT_TRUE(got.ok() && *got) << words(got);
    EXPECT_TRUE(text_of(**got) == content);
  }
  EXPECT_EQ(session.transport().counts().connections, 1U);
  std::string by_name = variable("CAIRN_S3_TLS_GOOD");
  by_name.replace(by_name.find("127.0.0.1"), 9, "localhost");
  EXPECT_EQ(words(Session({.endpoint = by_name}).client().list({})), "no error");
}

TEST_F(S3TlsTest, ACertificateThatIsNotGoodSaysWhy) {
  const auto said = [](const char* endpoint, const char* ca, const char* why) {
    Session session({.endpoint = variable(endpoint), .secret = kCanary, .ca_file = ca == nullptr ? "" : variable(ca)});
    const auto got = session.client().get("k", 10);
    ASSERT_FALSE(got.ok());
    EXPECT_FALSE(got.error().retryable);
    EXPECT_THAT(words(got), HasSubstr("its certificate is not trusted: " + std::string(why)));
  };
  said("CAIRN_S3_TLS_WRONG_NAME", "CAIRN_S3_CA", "IP address mismatch");
  said("CAIRN_S3_TLS_EXPIRED", "CAIRN_S3_CA", "certificate has expired");
  said("CAIRN_S3_TLS_GOOD", "CAIRN_S3_OTHER_CA", "unable to get local issuer certificate");
  said("CAIRN_S3_TLS_GOOD", nullptr, "unable to get local issuer certificate");
}

TEST_F(S3TlsTest, AnotherNameThanTheCertificatesIsSaidToBeAnother) {
  std::string by_name = variable("CAIRN_S3_TLS_WRONG_NAME");
  by_name.replace(by_name.find("127.0.0.1"), 9, "localhost");
  Session session({.endpoint = by_name});
  EXPECT_THAT(words(session.client().get("k", 10)), HasSubstr("hostname mismatch"));
}

TEST_F(S3TlsTest, NothingOlderThanTls12IsSpoken) {
  Session session({.endpoint = variable("CAIRN_S3_TLS_OLD")});
  EXPECT_THAT(words(session.client().get("k", 10)), HasSubstr("TLS handshake"));
}

}  // namespace
}  // namespace cairn::s3
