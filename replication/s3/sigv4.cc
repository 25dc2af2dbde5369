// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/sigv4.h"

#include <algorithm>
#include <map>
#include <optional>

#include "replication/s3/hmac.h"
#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
// Set by signing itself: a second one would be signed, or ignored, as the server pleases.
constexpr std::string_view kOwnHeaders[] = {"authorization", "host", "x-amz-content-sha256", "x-amz-date",
                                            kTokenHeader};
constexpr std::string_view kOwnQuery = "x-amz-";

Error refused(std::string message) { return make_error(ErrorCode::invalid_argument, std::move(message)); }

std::string in_small_letters(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_letter_or_digit(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}
// A line break in a header's value would begin a header, or a request, of somebody else's.
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}
bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// Without spaces at its ends, and with one where there are several.
std::string canonical_value(std::string_view value) {
  std::string result;
  for (const char c : value) {
    if (c != ' ' || (!result.empty() && result.back() != ' ')) result += c;
  }
  if (result.ends_with(' ')) result.pop_back();
  return result;
}

// By name, in small letters.
using SignedHeaders = std::map<std::string, std::string>;

std::string names_of(const SignedHeaders& headers) {
  std::string result;
  for (const auto& [name, value] : headers) result += (result.empty() ? "" : ";") + name;
  return result;
}

Status check_signer(const AccessKey& key, std::string_view region) {
  if (key.id.empty() || key.secret.empty()) return refused("there is no access key to sign a request with");
  if (key.id.size() > 1024 || !is_printable(key.id) || key.id.find_first_of(",/=") != std::string::npos) {
    return refused("access key id " + quoted(key.id) + " holds what no id has");
  }
  if (!is_printable(key.session_token.reveal())) {
    return refused("the session token of access key " + quoted(key.id) +
                   " holds a space, a line break or other than ASCII");
  }
  return check_region(region);
}

Result<SignedHeaders> canonical_headers(const Request& request) {
  if (!is_token(request.method)) return refused("method " + quoted(request.method) + " is none");
  if (!request.target.path.starts_with('/') || !is_printable(request.target.path) ||
      request.target.path.find_first_of("?#") != std::string::npos) {
    return refused("path " + quoted(request.target.path) + " is not an encoded path");
  }
  if (request.target.host.empty() || !is_printable(request.target.host)) {
    return refused("host " + quoted(request.target.host) + " is none");
  }
  SignedHeaders headers;
  for (const Header& header : request.headers) {
    if (!is_token(header.name)) return refused("header name " + quoted(header.name) + " is none");
    if (has_control(header.value)) return refused("the value of header " + header.name + " holds a control character");
    const std::string name = in_small_letters(header.name);
    if (std::find(std::begin(kOwnHeaders), std::end(kOwnHeaders), name) != std::end(kOwnHeaders)) {
      return refused("header " + header.name + " is set by signing");
    }
    // One that comes several times means the list of its values.
    const auto [at, is_new] = headers.emplace(name, canonical_value(header.value));
    if (!is_new) at->second += "," + canonical_value(header.value);
  }
  headers["host"] = request.target.host;
  return headers;
}

// What a key may sign: that day, that region, that service.
struct Scope {
  std::string date;  // 20130524
  std::string region;
  std::string text() const { return date + "/" + region + "/s3/aws4_request"; }
};

Result<std::string> signature(const Request& request, std::string_view query, const SignedHeaders& headers,
                              const AccessKey& key, const Scope& scope, Time now) {
  // Sized first, so that growing leaves no copy of a token behind.
  const std::string names = names_of(headers);
  std::size_t size = request.method.size() + request.target.path.size() + query.size() + names.size() + 16;
  for (const auto& [name, value] : headers) size += name.size() + value.size() + 2;
  std::string canonical;
  const WipedAtEnd wiped(canonical);
  canonical.reserve(size + request.payload_hash.size());
  canonical.append(request.method).append("\n").append(request.target.path).append("\n");
  canonical.append(query).append("\n");
  for (const auto& [name, value] : headers) canonical.append(name).append(":").append(value).append("\n");
  canonical.append("\n").append(names).append("\n").append(request.payload_hash);
  CAIRN_TRY(const std::string digest, sha256_hex(std::as_bytes(std::span(canonical))));
  const std::string text = std::string(kAlgorithm) + "\n" + compact_time(now) + "\n" + scope.text() + "\n" + digest;

  Secret seed = Secret::zeros(4 + key.secret.size());
  std::copy_n("AWS4", 4, seed.data());
  std::copy(key.secret.reveal().begin(), key.secret.reveal().end(), seed.data() + 4);
  CAIRN_TRY(const Secret of_day, hmac_sha256(seed.reveal(), scope.date));
  CAIRN_TRY(const Secret of_region, hmac_sha256(of_day.reveal(), scope.region));
  CAIRN_TRY(const Secret of_service, hmac_sha256(of_region.reveal(), "s3"));
  CAIRN_TRY(const Secret signing_key, hmac_sha256(of_service.reveal(), "aws4_request"));
  CAIRN_TRY(const Secret mac, hmac_sha256(signing_key.reveal(), text));
  return to_hex(mac.reveal());
}

}  // namespace

Result<std::string> payload_hash(std::span<const std::byte> body) { return sha256_hex(body); }

Result<std::vector<Header>> sign(const Request& request, const AccessKey& key, std::string_view region, Time now) {
  CAIRN_CHECK(check_signer(key, region));
  CAIRN_TRY(SignedHeaders headers, canonical_headers(request));
  if (!is_token(request.payload_hash)) return refused("payload hash " + quoted(request.payload_hash) + " is none");
  const std::string time = compact_time(now);
  std::vector<Header> added = {{"x-amz-content-sha256", request.payload_hash}, {"x-amz-date", time}};
  for (const Header& header : added) headers[header.name] = header.value;
  std::optional<WipedAtEnd> wiped;
  if (!key.session_token.empty()) {
    std::string& token = headers[kTokenHeader];
    token = key.session_token.reveal();
    wiped.emplace(token);
  }

  const Scope scope{.date = time.substr(0, 8), .region = std::string(region)};
  CAIRN_TRY(const std::string mac, signature(request, canonical_query(request.query), headers, key, scope, now));
  if (!key.session_token.empty()) added.push_back({kTokenHeader, std::string(key.session_token.reveal())});
  added.push_back({"Authorization", std::string(kAlgorithm) + " Credential=" + key.id + "/" + scope.text() +
                                        ",SignedHeaders=" + names_of(headers) + ",Signature=" + mac});
  return added;
}

Result<std::string> presigned_url(const Endpoint& endpoint, const Request& request, const AccessKey& key,
                                  std::string_view region, Time now, std::chrono::seconds valid_for) {
  CAIRN_CHECK(check_signer(key, region));
  CAIRN_TRY(const SignedHeaders headers, canonical_headers(request));
  if (valid_for < std::chrono::seconds(1) || valid_for > kPresignMax) {
    return refused("a URL cannot be valid for " + std::to_string(valid_for.count()) + " s: 1 s to 7 days (604800 s)");
  }
  for (const QueryItem& item : request.query) {
    if (in_small_letters(item.name).starts_with(kOwnQuery))
      return refused("query " + quoted(item.name) + " is set by signing");
  }
  Request unsigned_body = request;
  unsigned_body.payload_hash = kUnsignedPayload;
  const std::string time = compact_time(now);
  const Scope scope{.date = time.substr(0, 8), .region = std::string(region)};
  std::vector<QueryItem>& query = unsigned_body.query;
  query.insert(query.end(), {{"X-Amz-Algorithm", std::string(kAlgorithm)},
                             {"X-Amz-Credential", key.id + "/" + scope.text()},
                             {"X-Amz-Date", time},
                             {"X-Amz-Expires", std::to_string(valid_for.count())},
                             {"X-Amz-SignedHeaders", names_of(headers)}});
  if (!key.session_token.empty()) query.push_back({"X-Amz-Security-Token", std::string(key.session_token.reveal())});

  const std::string text = canonical_query(query);
  CAIRN_TRY(const std::string mac, signature(unsigned_body, text, headers, key, scope, now));
  return (endpoint.tls ? "https://" : "http://") + request.target.host + request.target.path + "?" + text +
         "&X-Amz-Signature=" + mac;
}

}  // namespace cairn::s3
