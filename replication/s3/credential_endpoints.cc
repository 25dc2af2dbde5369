// SPDX-License-Identifier: Apache-2.0
//
// Credentials that an endpoint hands out: the one of a container's agent, and the metadata service of a machine.
#include <algorithm>

#include "replication/s3/credential_sources.h"
#include "replication/s3/flat_json.h"
#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

constexpr std::chrono::milliseconds kContainerTimeout{5000};
constexpr std::chrono::milliseconds kInstanceTimeout{1000};
constexpr std::size_t kPathBytesMax = 2048;
constexpr std::size_t kRoleBytesMax = 128;

std::string_view variable(const Surroundings& surroundings, const char* name) {
  return surroundings.variable(name).value_or(std::string_view());
}

Error misconfigured(std::string message) { return make_error(ErrorCode::invalid_argument, std::move(message)); }

// What a value read from a file or an endpoint ends with by habit.
std::string_view without_line_end(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

Status check_path(std::string_view path, const std::string& name) {
  if (!path.starts_with('/')) return misconfigured(name + " does not begin its path with '/'");
  if (path.size() > kPathBytesMax) return misconfigured(name + " is longer than 2048 bytes");
  if (!is_printable(path) || path.find_first_of(" #") != std::string_view::npos) {
    return misconfigured(name + " holds a space, '#', a control character or other than ASCII");
  }
  return {};
}

// A reply of another status than 200. Its body is never quoted: it may hold what was asked for.
Error refused_by(const std::string& who, int status) {
  Error error = make_error(ErrorCode::io, who + " answered " + std::to_string(status));
  error.retryable = status >= 500 || status == 429;
  return error;
}

Result<Credentials> read_credentials(const EndpointReply& reply, const std::string& who) {
  Result<FlatJson> json = FlatJson::parse(reply.body.reveal());
  if (!json.ok()) return std::move(json).error().with_context(who);
  if (const Secret* code = json->text("Code"); code != nullptr && code->reveal() != "Success") {
    return transient_error(who + " has no credentials at the moment (code " + quoted(code->reveal().substr(0, 40)) +
                           ")");
  }
  const Secret* const id = json->text("AccessKeyId");
  const Secret* const secret = json->text("SecretAccessKey");
  const Secret* const token = json->text("Token");
  const Secret* const expires = json->text("Expiration");
  for (const auto& [name, value] :
       {std::pair{"AccessKeyId", id}, {"SecretAccessKey", secret}, {"Expiration", expires}}) {
    if (value == nullptr || value->empty()) {
      return make_error(ErrorCode::corruption, who + " answered without " + std::string(name));
    }
  }
  // Its text is not quoted: a reply may have its members exchanged.
  const std::optional<Time> time = read_time(expires->reveal());
  if (!time) return make_error(ErrorCode::corruption, who + " answered with an Expiration that is no time");
  return Credentials{.key = {.id = std::string(id->reveal()),
                             .secret = *secret,
                             .session_token = token == nullptr ? Secret() : *token},
                     .expires = *time,
                     .source = who};
}

// Where a token may go without TLS: this machine, and the agents' link-local addresses (ECS, EKS).
bool is_trusted_without_tls(const Endpoint& endpoint) {
  const bool is_loopback = endpoint.host == "localhost" || endpoint.host == "::1" ||
                           (endpoint.is_address() && endpoint.host.starts_with("127."));
  return is_loopback || endpoint.host == "169.254.170.2" || endpoint.host == "169.254.170.23" ||
         endpoint.host == "fd00:ec2::23";
}

struct Place {
  Endpoint endpoint;
  std::string path;
};

Result<std::optional<Place>> container_place(const Surroundings& surroundings) {
  static constexpr char kRelative[] = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
  static constexpr char kFull[] = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  if (const std::string_view path = variable(surroundings, kRelative); !path.empty()) {
    CAIRN_CHECK(check_path(path, kRelative));
    return std::optional<Place>(
        {.endpoint = {.tls = false, .host = "169.254.170.2", .port = 80}, .path = std::string(path)});
  }
  const std::string_view uri = variable(surroundings, kFull);
  if (uri.empty()) return std::optional<Place>();
  const auto host = uri.find("://");
  const auto slash = uri.find('/', host == std::string_view::npos ? uri.size() : host + 3);
  Result<Endpoint> endpoint = parse_endpoint(uri.substr(0, slash));
  if (!endpoint.ok()) return std::move(endpoint).error().with_context(kFull);
  const std::string path(slash == std::string_view::npos ? std::string_view("/") : uri.substr(slash));
  CAIRN_CHECK(check_path(path, kFull));
  if (!endpoint->tls && !is_trusted_without_tls(*endpoint)) {
    return misconfigured(std::string(kFull) + " names host " + quoted(endpoint->host) +
                         ", which is asked over https only: without TLS, only this machine and AWS's agents are");
  }
  return std::optional<Place>({.endpoint = *std::move(endpoint), .path = path});
}

// What the agent wants to be shown; empty where it wants nothing.
Result<Secret> container_authorization(const Surroundings& surroundings) {
  Secret token(variable(surroundings, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
  std::string name = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
  if (const std::string path(variable(surroundings, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")); !path.empty()) {
    name = path;
    CAIRN_TRY(const std::optional<Secret> text, surroundings.file(path));
    if (!text) return misconfigured("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names " + path + ", which is not there");
    token = Secret(without_line_end(text->reveal()));
  }
  if (!is_printable(token.reveal())) return misconfigured(name + " holds a line break or other than ASCII");
  return token;
}

}  // namespace

Result<std::optional<Credentials>> credentials_from_container(const Surroundings& surroundings) {
  CAIRN_TRY(std::optional<Place> place, container_place(surroundings));
  if (!place) return std::optional<Credentials>();
  EndpointRequest request{
      .method = "GET", .endpoint = place->endpoint, .path = place->path, .headers = {}, .timeout = kContainerTimeout};
  CAIRN_TRY(Secret authorization, container_authorization(surroundings));
  if (!authorization.empty()) request.headers.push_back({"Authorization", std::move(authorization)});
  const std::string who = "the container's credential endpoint " + quoted(request.endpoint.authority());
  Result<EndpointReply> reply = surroundings.exchange(request);
  if (!reply.ok()) return std::move(reply).error().with_context(who);
  if (reply->status != 200) return refused_by(who, reply->status);
  CAIRN_TRY(Credentials found, read_credentials(*reply, who));
  return std::optional<Credentials>(std::move(found));
}

Result<std::optional<Credentials>> credentials_from_instance(const Surroundings& surroundings) {
  const std::string_view disabled = variable(surroundings, "AWS_EC2_METADATA_DISABLED");
  if (disabled == "true" || disabled == "True" || disabled == "TRUE") return std::optional<Credentials>();
  Endpoint endpoint{.tls = false, .host = "169.254.169.254", .port = 80};
  static constexpr char kOther[] = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
  const std::string_view other = variable(surroundings, kOther);
  if (!other.empty()) {
    Result<Endpoint> parsed = parse_endpoint(other);
    if (!parsed.ok()) return std::move(parsed).error().with_context(kOther);
    endpoint = *parsed;
  }
  const std::string who = "the metadata service " + quoted(endpoint.authority());
  const auto ask = [&](std::string method, std::string path, EndpointHeader header) {
    EndpointRequest request{.method = std::move(method),
                            .endpoint = endpoint,
                            .path = std::move(path),
                            .headers = {},
                            .timeout = kInstanceTimeout};
    request.headers.push_back(std::move(header));
    return surroundings.exchange(request);
  };
  Result<EndpointReply> session =
      ask("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds", Secret("21600")});
  // Nobody is there, or somebody who hands out nothing: this is no machine with a role.
  if (!session.ok()) {
    if (other.empty()) return std::optional<Credentials>();
    return std::move(session).error().with_context(who);
  }
  if (session->status == 403 || session->status == 404 || session->status == 405) return std::optional<Credentials>();
  if (session->status != 200) return refused_by(who, session->status);
  const Secret token(without_line_end(session->body.reveal()));
  if (token.empty() || !is_printable(token.reveal())) {
    return make_error(ErrorCode::corruption, who + " answered with a session token that is none");
  }
  const auto get = [&](std::string path) { return ask("GET", std::move(path), {"X-aws-ec2-metadata-token", token}); };

  const std::string roles = "/latest/meta-data/iam/security-credentials/";
  Result<EndpointReply> listed = get(roles);
  if (!listed.ok()) return std::move(listed).error().with_context(who);
  if (listed->status == 404) return std::optional<Credentials>();  // a machine without a role
  if (listed->status != 200) return refused_by(who, listed->status);
  const std::string role(without_line_end(listed->body.reveal().substr(0, listed->body.reveal().find('\n'))));
  const bool is_role =
      !role.empty() && role.size() <= kRoleBytesMax && std::all_of(role.begin(), role.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("+=,.@_-").find(c) != std::string_view::npos;
      });
  if (!is_role) return make_error(ErrorCode::corruption, who + " answered with a name that no role has");

  Result<EndpointReply> reply = get(roles + role);
  if (!reply.ok()) return std::move(reply).error().with_context(who);
  if (reply->status != 200) return refused_by(who, reply->status);
  CAIRN_TRY(Credentials found, read_credentials(*reply, who));
  return std::optional<Credentials>(std::move(found));
}

}  // namespace cairn::s3
