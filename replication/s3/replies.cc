// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/replies.h"

#include <algorithm>
#include <map>

#include "replication/s3/error_reply.h"
#include "replication/s3/messages.h"
#include "replication/s3/percent.h"
#include "replication/s3/uri.h"
#include "replication/s3/xml.h"

namespace cairn::s3 {
namespace {

constexpr std::size_t kUploadIdBytesMax = 1024;
constexpr std::size_t kTokenBytesMax = 8192;

Result<XmlReply> parse_as(std::string_view body, std::string_view root) {
  CAIRN_TRY(XmlReply reply, XmlReply::parse(body));
  const std::string_view name = reply.root().name();
  if (name == "Error") return to_error(read_error_reply(200, body), root);
  if (name != root) return transient_error("the reply is " + quoted(name) + ", not " + std::string(root));
  return reply;
}

// Whether the server encoded the keys, as it was asked to.
Result<bool> is_encoded(const XmlReply& reply) {
  CAIRN_TRY(const std::optional<std::string> type, optional_text(reply.root(), "EncodingType"));
  if (!type || type->empty()) return false;
  if (*type == "url") return true;
  return transient_error("the reply's EncodingType is " + quoted(*type));
}

Result<std::string> decoded(std::string value, bool encoded) {
  if (!encoded) return value;
  Result<std::string> plain = percent_decoded(value);
  if (!plain.ok()) return transient_error("the reply has " + plain.error().message);
  return plain;
}

Result<std::string> key_under(const pugi::xml_node& parent, const char* name, bool encoded, std::string_view prefix) {
  CAIRN_TRY(std::string value, text(parent, name));
  CAIRN_TRY(std::string key, decoded(std::move(value), encoded));
  if (const Status status = check_key(key); !status.ok()) return transient_error(status.error().message);
  if (!key.starts_with(prefix)) {
    return transient_error("the reply lists " + quoted(key) + ", which is not below " + quoted(prefix));
  }
  return key;
}

Result<std::optional<Time>> time(const pugi::xml_node& parent, const char* name) {
  CAIRN_TRY(const std::optional<std::string> value, optional_text(parent, name));
  if (!value || value->empty()) return std::optional<Time>();
  const Result<Time> result = parse_time(*value);
  if (!result.ok()) return transient_error("the reply's " + std::string(name) + ": " + result.error().message);
  return std::optional<Time>(*result);
}

Result<std::string> upload_id(const pugi::xml_node& parent) {
  CAIRN_TRY(std::string id, text(parent, "UploadId"));
  const bool is_printable = std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (id.size() > kUploadIdBytesMax || !is_printable) return transient_error("the reply's UploadId is none");
  return id;
}

}  // namespace

Result<ListPage> read_list_page(std::string_view body, std::string_view prefix) {
  CAIRN_TRY(const XmlReply reply, parse_as(body, "ListBucketResult"));
  CAIRN_TRY(const bool encoded, is_encoded(reply));
  ListPage page;
  for (const pugi::xml_node& node : reply.root().children("Contents")) {
    ListedObject object;
    CAIRN_TRY(object.key, key_under(node, "Key", encoded, prefix));
    CAIRN_TRY(object.size, number(node, "Size"));
    CAIRN_TRY(object.modified, time(node, "LastModified"));
    CAIRN_TRY(std::optional<std::string> etag, optional_text(node, "ETag"));
    object.etag = std::move(etag).value_or(std::string());
    page.objects.push_back(std::move(object));
  }
  for (const pugi::xml_node& node : reply.root().children("CommonPrefixes")) {
    CAIRN_TRY(std::string common, key_under(node, "Prefix", encoded, prefix));
    page.common_prefixes.push_back(std::move(common));
  }
  CAIRN_TRY(const bool truncated, flag(reply.root(), "IsTruncated"));
  if (truncated) {
    CAIRN_TRY(page.next_token, text(reply.root(), "NextContinuationToken"));
    if (page.next_token.size() > kTokenBytesMax)
      return transient_error("the reply's NextContinuationToken is too long");
  }
  return page;
}

Result<std::string> read_upload_id(std::string_view body) {
  CAIRN_TRY(const XmlReply reply, parse_as(body, "InitiateMultipartUploadResult"));
  return upload_id(reply.root());
}

Result<std::string> read_result_etag(std::string_view body) {
  CAIRN_TRY(const XmlReply reply, XmlReply::parse(body));
  const std::string_view name = reply.root().name();
  if (name == "Error") return to_error(read_error_reply(200, body), "after the header of success");
  if (name != "CompleteMultipartUploadResult" && name != "CopyObjectResult" && name != "CopyPartResult") {
    return transient_error("the reply is " + quoted(name) + ", not the result of an upload or copy");
  }
  CAIRN_TRY(std::optional<std::string> etag, optional_text(reply.root(), "ETag"));
  return std::move(etag).value_or(std::string());
}

Result<std::vector<KeyError>> read_delete_result(std::string_view body, const std::vector<std::string>& keys) {
  CAIRN_TRY(const XmlReply reply, parse_as(body, "DeleteResult"));
  std::map<std::string, std::optional<Error>> answers;  // by key; nothing: it is gone
  for (const pugi::xml_node& node : reply.root().children("Deleted")) {
    CAIRN_TRY(std::string key, text(node, "Key"));
    answers.emplace(std::move(key), std::nullopt);
  }
  for (const pugi::xml_node& node : reply.root().children("Error")) {
    CAIRN_TRY(const std::string key, text(node, "Key"));
    ErrorReply refusal{.status = 200, .code = {}, .message = {}, .request_id = {}, .region = {}, .endpoint = {}};
    CAIRN_TRY(refusal.code, text(node, "Code"));
    CAIRN_TRY(std::optional<std::string> message, optional_text(node, "Message"));
    refusal.message = std::move(message).value_or(std::string());
    // What is both deleted and refused is refused.
    if (refusal_of(refusal) == Refusal::no_such_key) {
      answers.emplace(key, std::nullopt);
    } else {
      answers[key] = to_error(refusal, "delete " + quoted(key));
    }
  }
  std::vector<KeyError> failed;
  for (const std::string& key : keys) {
    const auto answer = answers.find(key);
    if (answer == answers.end()) {
      failed.push_back({key, transient_error("delete " + quoted(key) + ": the reply says nothing of it")});
    } else if (answer->second) {
      failed.push_back({key, *answer->second});
    }
  }
  return failed;
}

Result<UploadPage> read_upload_page(std::string_view body, std::string_view prefix) {
  CAIRN_TRY(const XmlReply reply, parse_as(body, "ListMultipartUploadsResult"));
  CAIRN_TRY(const bool encoded, is_encoded(reply));
  UploadPage page;
  for (const pugi::xml_node& node : reply.root().children("Upload")) {
    PendingUpload upload;
    CAIRN_TRY(upload.key, key_under(node, "Key", encoded, prefix));
    CAIRN_TRY(upload.id, upload_id(node));
    CAIRN_TRY(upload.initiated, time(node, "Initiated"));
    page.uploads.push_back(std::move(upload));
  }
  CAIRN_TRY(const bool truncated, flag(reply.root(), "IsTruncated"));
  page.is_last = !truncated;
  if (truncated) {
    CAIRN_TRY(page.next_key, key_under(reply.root(), "NextKeyMarker", encoded, prefix));
    CAIRN_TRY(std::optional<std::string> id, optional_text(reply.root(), "NextUploadIdMarker"));
    page.next_id = std::move(id).value_or(std::string());
  }
  return page;
}

}  // namespace cairn::s3
