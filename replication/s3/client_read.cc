// SPDX-License-Identifier: Apache-2.0
//
// How a client reads objects: whole, a range, or many ranges beside each other.
#include <algorithm>

#include "replication/s3/client.h"
#include "replication/s3/messages.h"
#include "replication/s3/parallel.h"

namespace cairn::s3 {
namespace {

using Bytes = std::optional<std::vector<std::byte>>;

// "bytes 0-9/100": the object's size, or 0 where the header is another range's or none.
bool is_range(std::string_view header, std::uint64_t offset, std::uint64_t length) {
  const std::string begins = "bytes " + std::to_string(offset) + "-" + std::to_string(offset + length - 1) + "/";
  return header.starts_with(begins);
}

}  // namespace

Result<Bytes> Client::get(std::string_view key, std::uint64_t bytes_max) {
  CAIRN_CHECK(check_key(key));
  BucketReply reply = requests_.send({.what = "get", .method = "GET", .key = key, .reply_bytes_max = bytes_max});
  if (reply.refusal == Refusal::no_such_key) return Bytes();
  if (reply.error) return *std::move(reply.error);
  return Bytes(std::move(reply.reply.body));
}

Result<Bytes> Client::get_range(std::string_view key, std::uint64_t offset, std::uint64_t length) {
  return get_if(key, {}, offset, length);
}

Result<Bytes> Client::get_if(std::string_view key, const std::string& etag, std::uint64_t offset,
                             std::uint64_t length) {
  CAIRN_CHECK(check_key(key));
  if (length == 0 || offset + length < offset) {
    return make_error(ErrorCode::invalid_argument, requests_.describe("get", key) + ": there is no such range");
  }
  const auto ends_before = [&] {
    return make_error(ErrorCode::corruption, requests_.describe("get", key) + ": the object ends before byte " +
                                                 std::to_string(offset + length));
  };
  std::vector<Header> headers = {
      {"range", "bytes=" + std::to_string(offset) + "-" + std::to_string(offset + length - 1)}};
  if (!etag.empty()) headers.push_back({"if-match", etag});
  bool is_short = false;
  BucketReply reply = requests_.send(
      {.what = "get",
       .method = "GET",
       .key = key,
       .headers = std::move(headers),
       .reply_bytes_max = length,
       .read = [&](const HttpReply& answer) -> Status {
         const bool is_whole =
             answer.status == 200 && offset == 0;  // by a server that knows no ranges, or a short object
         if (answer.status != 206 && !is_whole) return transient_error("the reply is not the range that was asked for");
         is_short = answer.body.size() < length;
         if (is_short || is_whole || is_range(answer.header("content-range").value_or(""), offset, length)) return {};
         return transient_error("the reply is another range than was asked for");
       }});
  if (reply.refusal == Refusal::no_such_key) return Bytes();
  if (reply.error && reply.reply.status == 416) return ends_before();
  if (reply.error) return *std::move(reply.error);
  if (is_short) return ends_before();
  return Bytes(std::move(reply.reply.body));
}

Result<std::optional<ObjectInfo>> Client::read_in_ranges(std::string_view key, const RangeReader& reader,
                                                         unsigned parallel) {
  CAIRN_TRY(std::optional<ObjectInfo> info, head(key));
  if (!info) return info;
  if (reader.begin) CAIRN_CHECK(reader.begin(*info));
  if (info->size == 0) return info;
  // Without an ETag nothing says whether two ranges are of one object.
  const std::uint64_t range_bytes = info->etag.empty() ? info->size : options_.part_bytes;
  const std::uint64_t ranges = (info->size + range_bytes - 1) / range_bytes;
  const Status read = for_each_beside(ranges, parallel, [&](std::uint64_t range) -> Status {
    const std::uint64_t offset = range * range_bytes;
    const std::uint64_t length = std::min(range_bytes, info->size - offset);
    CAIRN_TRY(const Bytes part, get_if(key, info->etag, offset, length));
    if (!part) return transient_error(requests_.describe("get", key) + ": the object was removed meanwhile");
    return reader.take(offset, *part);
  });
  if (read.ok()) return info;
  Error error = read.error();
  error.retryable = error.retryable || error.code == ErrorCode::conflict;
  return error;
}

Result<Bytes> Client::get_in_ranges(std::string_view key, std::uint64_t bytes_max) {
  std::vector<std::byte> bytes;
  const RangeReader reader{.begin = [&](const ObjectInfo& info) -> Status {
                             if (info.size > bytes_max) {
                               return make_error(ErrorCode::resource_exhausted,
                                                 requests_.describe("get", key) + ": the object has " +
                                                     std::to_string(info.size) + " bytes; at most " +
                                                     std::to_string(bytes_max) + " are taken");
                             }
                             bytes.resize(info.size);
                             return {};
                           },
                           .take = [&](std::uint64_t offset, std::span<const std::byte> range) -> Status {
                             std::copy(range.begin(), range.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
                             return {};
                           }};
  CAIRN_TRY(const std::optional<ObjectInfo> info, read_in_ranges(key, reader, options_.parallel_max));
  return info ? Bytes(std::move(bytes)) : Bytes();
}

}  // namespace cairn::s3
