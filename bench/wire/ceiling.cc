// SPDX-License-Identifier: Apache-2.0
//
// What a server of S3 takes and gives at most: objects of a pack's size, put and read by our own client from several
// threads, with nothing before or behind them.
//
//   wire_ceiling put|get ENDPOINT BUCKET BYTES PARALLEL [unsigned]
//
// Objects are all the same bytes, in memory. `unsigned`: without the SHA-256 of each body, which client and server
// compute where there is no TLS. Reads read what `put` with the same BYTES put before. Prints seconds and CPU seconds.
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "replication/s3/open_client.h"
#include "replication/s3/parallel.h"

namespace cairn {
namespace {

constexpr std::uint64_t kObjectBytes = 32u << 20;
// What a pull asks for at once.
constexpr std::uint64_t kRangeBytes = 8u << 20;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string key_of(std::uint64_t number) { return "ceiling/" + std::to_string(number); }

Status put_all(s3::Client& client, std::uint64_t objects, unsigned parallel, std::span<const std::byte> bytes) {
  return s3::for_each_beside(objects, parallel, [&](std::uint64_t number) -> Status {
    auto put = client.put(key_of(number), std::span(&bytes, 1));
    return put.ok() ? Status() : Status(std::move(put).error());
  });
}

Status get_all(s3::Client& client, std::uint64_t objects, unsigned parallel) {
  const std::uint64_t ranges = kObjectBytes / kRangeBytes;
  return s3::for_each_beside(objects * ranges, parallel, [&](std::uint64_t number) -> Status {
    CAIRN_TRY(const auto got, client.get_range(key_of(number / ranges), number % ranges * kRangeBytes, kRangeBytes));
    if (got) return {};
    return Error{.code = ErrorCode::not_found, .message = key_of(number / ranges) + " is not there: put first"};
  });
}

Status run(const std::vector<std::string>& arguments) {
  const std::uint64_t objects = std::strtoull(arguments[3].c_str(), nullptr, 10) / kObjectBytes;
  const auto parallel = static_cast<unsigned>(std::strtoul(arguments[4].c_str(), nullptr, 10));
  s3::ClientOptions options;
  options.sign_payload_without_tls = arguments.size() < 6 || arguments[5] != "unsigned";
  CAIRN_TRY(const auto opened,
            s3::OpenClient::open({.url = "s3://" + arguments[2], .endpoint = arguments[1]}, std::move(options)));
  CAIRN_CHECK(opened->client().create_bucket());
  std::vector<std::byte> bytes(kObjectBytes);
  std::mt19937_64 random(1);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  const double cpu = cpu_seconds();
  const auto began = std::chrono::steady_clock::now();
  CAIRN_CHECK(arguments[0] == "put" ? put_all(opened->client(), objects, parallel, bytes)
                                    : get_all(opened->client(), objects, parallel));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  std::printf("{\"seconds\": %.3f, \"cpu\": %.3f, \"bytes\": %llu}\n", seconds.count(), cpu_seconds() - cpu,
              static_cast<unsigned long long>(objects * kObjectBytes));
  return {};
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 5 || (arguments[0] != "put" && arguments[0] != "get")) {
    std::fputs("usage: wire_ceiling put|get ENDPOINT BUCKET BYTES PARALLEL [unsigned]\n", stderr);
    return 2;
  }
  const cairn::Status done = cairn::run(arguments);
  if (done.ok()) return 0;
  std::fprintf(stderr, "wire_ceiling: %s\n", done.error().message.c_str());
  return 1;
}
