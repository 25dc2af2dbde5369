// SPDX-License-Identifier: Apache-2.0
//
// Times of day as S3 and its surroundings write them. Computed here, since the C library's ways ask for the locale and
// the time zone.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/result.h"

namespace cairn::s3 {

using Time = std::chrono::sys_seconds;  // UTC

// "20130524T000000Z", in the years 1970 to 9999; times outside are taken for the nearest inside.
std::string compact_time(Time time);
// "2013-05-24T00:00:00Z", for people.
std::string readable_time(Time time);

// "2013-05-24T00:00:00Z", with a fraction of a second, which is left out, or "+00:00" for the Z. Other zones are
// refused. The error of code `corruption` quotes the text; read_time() keeps no copy of what may be a secret.
Result<Time> parse_time(std::string_view text);
std::optional<Time> read_time(std::string_view text);

// "Fri, 24 May 2013 00:00:00 GMT", as headers of HTTP have it; the day of the week is not looked at.
std::optional<Time> read_http_time(std::string_view text);

}  // namespace cairn::s3
