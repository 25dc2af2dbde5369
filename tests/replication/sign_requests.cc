// SPDX-License-Identifier: Apache-2.0
//
// Signs the requests that botocore_test.py writes to it, one a line, so that both signatures can be compared.
//
// A line: header|presign METHOD ENDPOINT path|host BUCKET KEY REGION SECONDS ID SECRET TOKEN HASH VALID QUERY HEADERS.
// Every field but the first four is hexadecimal, '-' for an empty one; QUERY and HEADERS are NAME=VALUE,…. The answer
// is the URL, or the target and the added headers, with tabs between.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "replication/s3/sigv4.h"

namespace cairn::s3 {
namespace {

std::string from_hex(const std::string& text) {
  std::string result;
  for (std::size_t at = 0; text != "-" && at + 1 < text.size(); at += 2) {
    result += static_cast<char>(std::stoi(text.substr(at, 2), nullptr, 16));
  }
  return result;
}

template <class Pair>
std::vector<Pair> pairs(const std::string& text) {
  std::vector<Pair> result;
  std::istringstream items(text == "-" ? "" : text);
  for (std::string item; std::getline(items, item, ',');) {
    const auto equals = item.find('=');
    result.push_back({from_hex(item.substr(0, equals)), from_hex(item.substr(equals + 1))});
  }
  return result;
}

Result<std::string> answer(const std::string& line) {
  std::istringstream fields(line);
  std::string kind, method, url, addressing, bucket, key, region, seconds, id, secret, token, hash, valid, query,
      headers;
  fields >> kind >> method >> url >> addressing >> bucket >> key >> region >> seconds >> id >> secret >> token >>
      hash >> valid >> query >> headers;
  CAIRN_TRY(const Endpoint endpoint, parse_endpoint(url));
  Request request;
  request.method = method;
  CAIRN_TRY(request.target, request_target(endpoint, addressing == "path" ? Addressing::path : Addressing::virtual_host,
                                           from_hex(bucket), from_hex(key)));
  request.query = pairs<QueryItem>(query);
  request.headers = pairs<Header>(headers);
  request.payload_hash = from_hex(hash);
  const AccessKey access{
      .id = from_hex(id), .secret = Secret(from_hex(secret)), .session_token = Secret(from_hex(token))};
  const Time now(std::chrono::seconds(std::stoll(from_hex(seconds))));
  if (kind == "presign") {
    return presigned_url(endpoint, request, access, from_hex(region), now,
                         std::chrono::seconds(std::stoll(from_hex(valid))));
  }
  CAIRN_TRY(const std::vector<Header> added, sign(request, access, from_hex(region), now));
  std::string result = request.target.host + "\t" + request.target.path + "\t" + canonical_query(request.query);
  for (const Header& header : added) result += "\t" + header.name + "=" + header.value;
  return result;
}

}  // namespace
}  // namespace cairn::s3

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto answer = cairn::s3::answer(line);
    std::cout << (answer.ok() ? *answer : "ERROR " + answer.error().message) << "\n";
  }
  return std::cin.bad() ? EXIT_FAILURE : EXIT_SUCCESS;
}
