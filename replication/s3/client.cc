// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/client.h"

#include <algorithm>

#include "replication/s3/messages.h"
#include "replication/s3/object_headers.h"
#include "replication/s3/percent.h"
#include "replication/s3/xml.h"

namespace cairn::s3 {
namespace {

// Empty ones in a row: more are a server that goes round in a circle.
constexpr unsigned kPagesMax = 10'000;

std::uint64_t size_of(Client::Parts parts) {
  std::uint64_t size = 0;
  for (const auto part : parts) size += part.size();
  return size;
}

bool has_the_bytes(Client::Parts parts, std::span<const std::byte> bytes) {
  for (const auto part : parts) {
    if (bytes.size() < part.size() || !std::equal(part.begin(), part.end(), bytes.begin())) return false;
    bytes = bytes.subspan(part.size());
  }
  return bytes.empty();
}

}  // namespace

Result<std::unique_ptr<Client>> Client::create(ClientOptions options, ClientSurroundings surroundings) {
  CAIRN_CHECK(check_region(options.place.region));
  const Addressing addressing =
      options.place.addressing.value_or(usual_addressing(options.place.endpoint, options.place.bucket));
  if (Result<Target> target = request_target(options.place.endpoint, addressing, options.place.bucket, {});
      !target.ok()) {
    return std::move(target).error();
  }
  if (options.part_bytes < kPartBytesMin || options.part_bytes > kPartBytesMax || options.parallel_max == 0) {
    return make_error(ErrorCode::invalid_argument, "parts have 5 MiB to 5 GiB, and at least one is sent at a time");
  }
  return std::unique_ptr<Client>(new Client(std::move(options), std::move(surroundings)));
}

Client::Client(ClientOptions options, ClientSurroundings surroundings)
    : options_(std::move(options)),
      requests_(options_.place, options_.retry, options_.sign_payload_without_tls, std::move(surroundings)) {}

Result<BucketReply> Client::put_once(std::string_view key, Parts parts, const ObjectOptions& options, bool if_absent) {
  CAIRN_CHECK(check_key(key));
  CAIRN_TRY(std::vector<Header> headers, headers_of(options));
  if (if_absent) headers.push_back({"if-none-match", "*"});
  return requests_.send({.what = "put",
                         .method = "PUT",
                         .key = key,
                         .headers = std::move(headers),
                         .body = parts,
                         .idempotent = !if_absent,
                         .read = check_put});
}

Result<std::string> Client::put(std::string_view key, Parts parts, const ObjectOptions& options) {
  CAIRN_TRY(BucketReply reply, put_once(key, parts, options, false));
  if (reply.error) return *std::move(reply.error);
  return std::string(reply.reply.header("etag").value_or(""));
}

Result<bool> Client::put_if_absent(std::string_view key, Parts parts, const ObjectOptions& options) {
  if (conditions_unsupported_.load()) return put_where_nothing_is(key, parts, options);
  CAIRN_TRY(BucketReply reply, put_once(key, parts, options, true));
  if (!reply.error) return true;
  // Nothing less turns conditions off for good: a proxy that permits no PUT may permit it in a moment.
  if (reply.reply.status == 501 && reply.refusal_code == "NotImplemented") {
    conditions_unsupported_.store(true);
    return put_where_nothing_is(key, parts, options);
  }
  if (reply.refusal != Refusal::precondition) return *std::move(reply.error);
  if (!reply.earlier_unknown) return false;
  // What is there may be what an earlier attempt put, the answer to which was lost.
  const std::uint64_t bytes = size_of(parts);
  CAIRN_TRY(const std::optional<ObjectInfo> info, head(key));
  if (!info || info->size != bytes) return false;
  CAIRN_TRY(const auto there, get(key, bytes));
  return there && has_the_bytes(parts, *there);
}

Result<bool> Client::put_where_nothing_is(std::string_view key, Parts parts, const ObjectOptions& options) {
  CAIRN_TRY(const std::optional<ObjectInfo> info, head(key));
  if (info) return false;
  CAIRN_TRY(BucketReply reply, put_once(key, parts, options, false));
  if (reply.error) return *std::move(reply.error);
  return true;
}

Result<std::optional<ObjectInfo>> Client::head(std::string_view key) {
  CAIRN_CHECK(check_key(key));
  ObjectInfo info;
  BucketReply reply =
      requests_.send({.what = "head", .method = "HEAD", .key = key, .read = [&](const HttpReply& answer) -> Status {
                        CAIRN_TRY(info, info_of(answer));
                        return {};
                      }});
  if (reply.refusal == Refusal::no_such_key) return std::optional<ObjectInfo>();
  if (!reply.error) return std::optional<ObjectInfo>(std::move(info));
  // A reply to HEAD has no body to tell a wrong secret from a missing right; one to GET has.
  const bool has_no_words = reply.refusal_code.empty() && (reply.reply.status == 400 || reply.reply.status == 403);
  if (reply.refusal && has_no_words) {
    BucketReply words = requests_.send(
        {.what = "head", .method = "GET", .key = key, .headers = {{"range", "bytes=0-0"}}, .reply_bytes_max = 1});
    if (words.error && !words.refusal_code.empty()) return *std::move(words.error);
  }
  return *std::move(reply.error);
}

Result<ListPage> Client::list(const ListOptions& options) {
  std::vector<QueryItem> query = {{"list-type", "2"},
                                  {"encoding-type", "url"},
                                  {"max-keys", std::to_string(std::min(options.keys_max, 1000U))},
                                  {"prefix", options.prefix}};
  if (!options.after.empty()) query.push_back({"start-after", options.after});
  if (!options.delimiter.empty()) query.push_back({"delimiter", options.delimiter});
  if (!options.token.empty()) query.push_back({"continuation-token", options.token});
  ListPage page;
  BucketReply reply = requests_.send({.what = "list",
                                      .method = "GET",
                                      .query = std::move(query),
                                      .reply_bytes_max = kReplyBytesMax,
                                      .read = [&](const HttpReply& answer) -> Status {
                                        CAIRN_TRY(page, read_list_page(answer.text(), options.prefix));
                                        return {};
                                      }});
  if (reply.error) return *std::move(reply.error);
  return page;
}

Result<ListPage> Client::list_after(std::string_view prefix, std::string_view after, unsigned count) {
  ListOptions options{.prefix = std::string(prefix), .after = std::string(after), .keys_max = count};
  ListPage result;
  std::string last(after);
  // A page may be empty and not the last one, and some servers do not know where to begin.
  for (unsigned pages = 0; pages < kPagesMax; ++pages) {
    auto listed = list(options);
    // A bucket that goes away behind the first page was there, and not empty.
    if (!listed.ok() && pages > 0 && listed.error().code == ErrorCode::not_found) {
      return transient_error(listed.error().message);
    }
    CAIRN_TRY(ListPage page, std::move(listed));
    for (ListedObject& object : page.objects) {
      if (object.key <= after) continue;
      if (object.key <= last) {
        return make_error(ErrorCode::corruption, "the server lists " + quoted(object.key) + " behind " + quoted(last) +
                                                     ", which is no order of bytes");
      }
      last = object.key;
      result.objects.push_back(std::move(object));
    }
    const bool circle = !page.next_token.empty() && page.next_token == options.token;
    options.token = std::move(page.next_token);
    if (!circle && (!result.objects.empty() || options.token.empty())) {
      result.next_token = std::move(options.token);
      return result;
    }
    if (circle) break;
  }
  return transient_error("the server's listing of " + quoted(options.prefix) + " goes round in a circle");
}

Status Client::copy(std::string_view from, std::string_view to) {
  CAIRN_CHECK(check_key(from));
  CAIRN_CHECK(check_key(to));
  const std::string source = "/" + requests_.bucket() + "/" + percent_encoded(from, Slash::kept);
  BucketReply reply = requests_.send({.what = "copy to",
                                      .method = "PUT",
                                      .key = to,
                                      .headers = {{"x-amz-copy-source", source}},
                                      .read = [](const HttpReply& answer) -> Status {
                                        CAIRN_TRY(const std::string etag, read_result_etag(answer.text()));
                                        static_cast<void>(etag);
                                        return {};
                                      }});
  if (reply.error) return std::move(*reply.error).with_context("copy of " + quoted(from));
  return {};
}

Status Client::create_bucket() {
  const std::string region = requests_.region();
  const std::string text =
      "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<LocationConstraint>" +
      region + "</LocationConstraint></CreateBucketConfiguration>";
  const std::span<const std::byte> body = std::as_bytes(std::span(text));
  // The first region of all has no name there.
  const bool names_region = region != "us-east-1";
  BucketReply reply =
      requests_.send({.what = "create bucket", .method = "PUT", .body = names_region ? Parts(&body, 1) : Parts()});
  if (!reply.error || reply.refusal_code == "BucketAlreadyOwnedByYou") return {};
  return *std::move(reply.error);
}

Result<std::string> Client::presigned_get(std::string_view key, std::chrono::seconds valid_for) {
  CAIRN_CHECK(check_key(key));
  return requests_.presigned("GET", key, valid_for);
}

Result<std::string> Client::presigned_put(std::string_view key, std::chrono::seconds valid_for) {
  CAIRN_CHECK(check_key(key));
  return requests_.presigned("PUT", key, valid_for);
}

}  // namespace cairn::s3
