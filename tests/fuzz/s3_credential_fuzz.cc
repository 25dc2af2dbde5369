// SPDX-License-Identifier: Apache-2.0
//
// What credentials are read from as hostile bytes: files of ~/.aws, JSON of endpoints, and the addresses in the
// environment. What is refused is not repeated.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "replication/s3/flat_json.h"
#include "replication/s3/ini.h"
#include "replication/s3/percent.h"
#include "replication/s3/time_text.h"
#include "replication/s3/uri.h"

namespace {

using namespace cairn::s3;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto ini = Ini::parse(text, "f"); ini.ok()) {
    if (const auto value = ini->value("default", "aws_secret_access_key")) {
      require(value->data() >= text.data() && value->data() + value->size() <= text.data() + text.size());
      require(value->find('\n') == std::string_view::npos);
    }
  }
  if (const auto json = FlatJson::parse(text); json.ok()) {
    if (const cairn::Secret* value = json->text("Token")) require(value->size() <= size);
  }
  if (const auto endpoint = parse_endpoint(text); endpoint.ok()) {
    require(parse_endpoint((endpoint->tls ? "https://" : "http://") + endpoint->authority()).ok());
    require(endpoint->port != 0 && text.find('@') == std::string_view::npos);
  }
  if (const auto location = parse_location(text); location.ok()) {
    require(check_bucket(location->bucket).ok() && location->prefix.size() <= kPrefixBytesMax);
  }
  require(percent_decoded(percent_encoded(text, Slash::encoded)).value() == text);
  if (const auto time = read_time(text)) require(parse_time(readable_time(*time)).value() == *time);
  return 0;
}
