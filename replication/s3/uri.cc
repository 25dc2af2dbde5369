// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/uri.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "replication/s3/messages.h"
#include "replication/s3/percent.h"

namespace cairn::s3 {
namespace {

constexpr std::size_t kHostBytesMax = 253;

bool is_small_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_ipv4(const std::string& host) {
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}
bool is_ipv6(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// '_' is in no host name by the book, and in many that container tools give.
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax || host.front() == '.' || host.back() == '.') return false;
  if (host.find("..") != std::string_view::npos) return false;
  return std::all_of(host.begin(), host.end(),
                     [](char c) { return is_small_or_digit(c) || c == '-' || c == '.' || c == '_'; });
}

std::string in_small_letters(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

Error refused_endpoint(std::string_view url, std::string_view why) {
  return make_error(ErrorCode::invalid_argument, "endpoint " + quoted(url) + " " + std::string(why));
}

// '/'-separated components that some server or proxy on the way would fold.
bool has_foldable_component(std::string_view path) {
  while (true) {
    const auto slash = path.find('/');
    const std::string_view component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

std::string Endpoint::authority() const {
  std::string result = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) result += ":" + std::to_string(port);
  return result;
}

bool Endpoint::is_address() const { return is_ipv4(host) || is_ipv6(host); }

Result<Endpoint> parse_endpoint(std::string_view url) {
  if (url.find('@') != std::string_view::npos) {
    return make_error(ErrorCode::invalid_argument,
                      "the endpoint holds a user or password ('@'): credentials come from the environment or ~/.aws");
  }
  Endpoint endpoint;
  const auto scheme_end = url.find("://");
  const std::string scheme = in_small_letters(url.substr(0, scheme_end));
  if (scheme_end == std::string_view::npos || (scheme != "https" && scheme != "http")) {
    return refused_endpoint(url, "does not begin with https:// or http://");
  }
  endpoint.tls = scheme == "https";
  endpoint.port = endpoint.tls ? 443 : 80;

  std::string_view rest = url.substr(scheme_end + 3);
  if (rest.find('?') != std::string_view::npos) return refused_endpoint(url, "has a query");
  if (rest.find('#') != std::string_view::npos) return refused_endpoint(url, "has a fragment");
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    if (slash + 1 != rest.size()) return refused_endpoint(url, "has a path: a server is meant, not a bucket on it");
    rest.remove_suffix(1);
  }

  std::string_view port;
  bool has_port = false;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    endpoint.host = in_small_letters(rest.substr(1, close == std::string_view::npos ? close : close - 1));
    // An address that holds a NUL would be read up to it.
    if (close == std::string_view::npos || endpoint.host.find('\0') != std::string::npos || !is_ipv6(endpoint.host)) {
      return refused_endpoint(url, "has no IPv6 address in its brackets");
    }
    rest.remove_prefix(close + 1);
    if (!rest.empty() && rest.front() != ':') return refused_endpoint(url, "goes on behind its brackets");
    has_port = !rest.empty();
    port = has_port ? rest.substr(1) : rest;
  } else {
    const auto colon = rest.find(':');
    endpoint.host = in_small_letters(rest.substr(0, colon));
    if (!is_host_name(endpoint.host)) return refused_endpoint(url, "has no valid host name");
    has_port = colon != std::string_view::npos;
    port = has_port ? rest.substr(colon + 1) : std::string_view();
  }
  if (has_port) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc() || end != port.data() + port.size() || endpoint.port == 0) {
      return refused_endpoint(url, "has no port between 1 and 65535");
    }
  }
  return endpoint;
}

Status check_region(std::string_view region) {
  const auto belongs = [](char c) { return is_small_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; };
  if (!region.empty() && region.size() <= 64 && std::all_of(region.begin(), region.end(), belongs)) return {};
  return make_error(ErrorCode::invalid_argument,
                    "region " + quoted(region) + " is not one word of letters, digits, '-' and '_'");
}

Result<Endpoint> aws_endpoint(std::string_view region) {
  CAIRN_CHECK(check_region(region));
  return parse_endpoint("https://s3." + std::string(region) + ".amazonaws.com" +
                        (region.starts_with("cn-") ? ".cn" : ""));
}

Status check_bucket(std::string_view bucket) {
  const auto refused = [&](std::string_view why) {
    return make_error(ErrorCode::invalid_argument, "bucket " + quoted(bucket) + " " + std::string(why));
  };
  if (bucket.size() < 3 || bucket.size() > 63) return refused("is not 3 to 63 characters long");
  for (const char c : bucket) {
    if (!is_small_or_digit(c) && c != '-' && c != '.')
      return refused("has other than small letters, digits, '-' and '.'");
  }
  if (!is_small_or_digit(bucket.front()) || !is_small_or_digit(bucket.back())) {
    return refused("does not begin and end with a small letter or digit");
  }
  if (bucket.find("..") != std::string_view::npos) return refused("has two '.' beside each other");
  if (is_ipv4(std::string(bucket))) return refused("is written like an IP address");
  return {};
}

Status check_key(std::string_view key) {
  if (key.empty()) return make_error(ErrorCode::invalid_argument, "the key is empty");
  if (key.size() > kKeyBytesMax) {
    return make_error(ErrorCode::invalid_argument,
                      "key " + quoted(key) + " has " + std::to_string(key.size()) + " bytes; S3 allows 1024");
  }
  return {};
}

Result<Location> parse_location(std::string_view text) {
  constexpr std::string_view kScheme = "s3://";
  if (!text.starts_with(kScheme)) {
    return make_error(ErrorCode::invalid_argument, quoted(text) + " does not begin with s3://");
  }
  const std::string_view rest = text.substr(kScheme.size());
  const auto slash = rest.find('/');
  Location location{.bucket = std::string(rest.substr(0, slash)), .prefix = {}};
  CAIRN_CHECK(check_bucket(location.bucket));
  std::string_view prefix = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (prefix.size() > 1 && prefix.ends_with('/')) prefix.remove_suffix(1);
  const auto refused = [&](std::string_view why) {
    return make_error(ErrorCode::invalid_argument, "prefix " + quoted(prefix) + " " + std::string(why));
  };
  if (prefix.size() > kPrefixBytesMax) return refused("is longer than 512 bytes");
  if (!prefix.empty() && has_foldable_component(prefix)) return refused("has a component that is empty, '.' or '..'");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(prefix.begin(), prefix.end(), is_control)) return refused("holds a control character");
  location.prefix = prefix;
  return location;
}

Addressing usual_addressing(const Endpoint& endpoint, std::string_view bucket) {
  const bool at_aws = endpoint.host.ends_with(".amazonaws.com") || endpoint.host.ends_with(".amazonaws.com.cn");
  return at_aws && bucket.find('.') == std::string_view::npos ? Addressing::virtual_host : Addressing::path;
}

Result<Target> request_target(const Endpoint& endpoint, Addressing addressing, std::string_view bucket,
                              std::string_view key) {
  CAIRN_CHECK(check_bucket(bucket));
  if (!key.empty()) CAIRN_CHECK(check_key(key));
  const std::string path = "/" + percent_encoded(key, Slash::kept);
  if (addressing == Addressing::path) {
    return Target{.host = endpoint.authority(), .path = "/" + std::string(bucket) + (key.empty() ? "" : path)};
  }
  const auto refused = [&](std::string_view why) {
    return make_error(ErrorCode::invalid_argument, "bucket " + quoted(bucket) + " cannot be part of the host name " +
                                                       quoted(endpoint.host) + ": " + std::string(why));
  };
  if (endpoint.is_address()) return refused("that is an address; use path addressing");
  if (endpoint.tls && bucket.find('.') != std::string_view::npos) {
    return refused("no certificate covers a name with one '.' more; use path addressing");
  }
  if (bucket.size() + 1 + endpoint.host.size() > kHostBytesMax) return refused("the name would be too long");
  return Target{.host = std::string(bucket) + "." + endpoint.authority(), .path = path};
}

}  // namespace cairn::s3
