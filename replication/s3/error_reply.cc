// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/error_reply.h"

#include "replication/s3/messages.h"
#include "replication/s3/xml.h"

namespace cairn::s3 {
namespace {

struct NamedRefusal {
  std::string_view code;
  Refusal refusal;
};
// Where S3 has several codes for one thing, the statuses below do not tell them apart.
constexpr NamedRefusal kCodes[] = {
    {"NoSuchKey", Refusal::no_such_key},
    {"NoSuchVersion", Refusal::no_such_key},
    {"NoSuchBucket", Refusal::no_such_bucket},
    {"NoSuchUpload", Refusal::no_such_upload},
    {"AccessDenied", Refusal::denied},
    {"AllAccessDisabled", Refusal::denied},
    {"AccountProblem", Refusal::denied},
    {"InvalidAccessKeyId", Refusal::bad_credentials},
    {"SignatureDoesNotMatch", Refusal::bad_credentials},
    {"InvalidToken", Refusal::bad_credentials},
    {"ExpiredToken", Refusal::expired_credentials},
    {"TokenRefreshRequired", Refusal::expired_credentials},
    {"RequestExpired", Refusal::clock_skew},
    {"RequestTimeTooSkewed", Refusal::clock_skew},
    {"PermanentRedirect", Refusal::elsewhere},
    {"TemporaryRedirect", Refusal::elsewhere},
    {"Redirect", Refusal::elsewhere},
    {"AuthorizationHeaderMalformed", Refusal::elsewhere},
    {"IllegalLocationConstraintException", Refusal::elsewhere},
    {"PreconditionFailed", Refusal::precondition},
    {"ConditionalRequestConflict", Refusal::race},
    {"OperationAborted", Refusal::race},
    {"BucketAlreadyExists", Refusal::already_exists},
    {"BucketAlreadyOwnedByYou", Refusal::already_exists},
    {"NotImplemented", Refusal::not_implemented},
    {"MethodNotAllowed", Refusal::not_implemented},
    {"SlowDown", Refusal::throttled},
    {"ServiceUnavailable", Refusal::throttled},
    {"Throttling", Refusal::throttled},
    {"ThrottlingException", Refusal::throttled},
    {"RequestLimitExceeded", Refusal::throttled},
    {"BandwidthLimitExceeded", Refusal::throttled},
    {"TooManyRequests", Refusal::throttled},
    {"InternalError", Refusal::server_fault},
    {"RequestTimeout", Refusal::server_fault},
    {"BadDigest", Refusal::damaged_in_transit},
    {"XAmzContentSHA256Mismatch", Refusal::damaged_in_transit},
    {"XAmzContentChecksumMismatch", Refusal::damaged_in_transit},
    {"IncompleteBody", Refusal::damaged_in_transit},
    {"QuotaExceeded", Refusal::quota},
    {"ServiceQuotaExceeded", Refusal::quota},
};

Refusal refusal_of_status(int status) {
  switch (status) {
    case 301:
    case 302:
    case 307:
    case 308: return Refusal::elsewhere;
    case 401:
    case 403: return Refusal::denied;
    case 404: return Refusal::no_such_key;
    case 405:
    case 501: return Refusal::not_implemented;
    case 408: return Refusal::server_fault;
    case 409: return Refusal::race;
    case 304:
    case 412: return Refusal::precondition;
    case 429:
    case 503: return Refusal::throttled;
    case 507: return Refusal::quota;
    default: return status >= 500 || status < 400 ? Refusal::server_fault : Refusal::invalid;
  }
}

struct Treatment {
  ErrorCode code;
  bool retryable;
  std::string_view words;
};

Treatment treatment_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::no_such_key: return {ErrorCode::not_found, false, "there is no such object"};
    case Refusal::no_such_bucket: return {ErrorCode::not_found, false, "there is no such bucket"};
    case Refusal::no_such_upload: return {ErrorCode::not_found, false, "the multipart upload is gone"};
    case Refusal::denied: return {ErrorCode::io, false, "the credentials do not permit it"};
    case Refusal::bad_credentials: return {ErrorCode::io, false, "the access key is unknown or its secret another"};
    case Refusal::expired_credentials: return {ErrorCode::io, true, "the credentials have expired"};
    case Refusal::clock_skew:
      return {ErrorCode::io, false, "the clocks of this machine and of the server differ by too much"};
    case Refusal::elsewhere: return {ErrorCode::invalid_argument, false, "the bucket is elsewhere"};
    case Refusal::precondition: return {ErrorCode::conflict, false, "it has changed, or is there already"};
    case Refusal::race: return {ErrorCode::conflict, true, "another request for it is under way"};
    case Refusal::already_exists: return {ErrorCode::already_exists, false, "the bucket exists"};
    case Refusal::not_implemented: return {ErrorCode::unsupported, false, "the server does not do this"};
    case Refusal::throttled: return {ErrorCode::overloaded, true, "the server asks for fewer requests"};
    case Refusal::server_fault: return {ErrorCode::io, true, "the server failed"};
    case Refusal::damaged_in_transit: return {ErrorCode::io, true, "the server got other bytes than were sent"};
    case Refusal::quota: return {ErrorCode::no_space, true, "a quota is full"};
    case Refusal::invalid: break;
  }
  return {ErrorCode::invalid_argument, false, "the server refuses it"};
}

}  // namespace

ErrorReply read_error_reply(int status, std::string_view body) {
  ErrorReply reply{.status = status, .code = {}, .message = {}, .request_id = {}, .region = {}, .endpoint = {}};
  const Result<XmlReply> xml = XmlReply::parse(body);
  if (!xml.ok() || std::string_view(xml->root().name()) != "Error") return reply;
  const auto field = [&](const char* name) {
    return optional_text(xml->root(), name).value_or(std::nullopt).value_or(std::string());
  };
  reply.code = field("Code");
  reply.message = field("Message");
  reply.request_id = field("RequestId");
  reply.region = field("Region");
  reply.endpoint = field("Endpoint");
  return reply;
}

Refusal refusal_of(const ErrorReply& reply) {
  // Of a request that was signed for another region, only the region tells.
  if (reply.code == "AuthorizationHeaderMalformed" && reply.region.empty()) return Refusal::invalid;
  for (const NamedRefusal& named : kCodes) {
    if (named.code == reply.code) return named.refusal;
  }
  return refusal_of_status(reply.status);
}

Error to_error(const ErrorReply& reply, std::string_view what) {
  const Refusal refusal = refusal_of(reply);
  const Treatment treatment = treatment_of(refusal);
  std::string message = std::string(what) + ": " + std::string(treatment.words);
  if (refusal == Refusal::elsewhere && !reply.region.empty()) message += ", in region " + quoted(reply.region);
  if (refusal == Refusal::elsewhere && !reply.endpoint.empty()) message += ", at " + quoted(reply.endpoint);
  message += " (HTTP " + std::to_string(reply.status);
  if (!reply.code.empty()) message += ", " + quoted(reply.code);
  if (!reply.message.empty()) message += ": " + quoted(reply.message);
  if (!reply.request_id.empty()) message += ", request " + quoted(reply.request_id);
  return {.code = treatment.code, .message = message + ")", .retryable = treatment.retryable};
}

}  // namespace cairn::s3
