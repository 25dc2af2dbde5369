// SPDX-License-Identifier: Apache-2.0
//
// TensorBoard's event files: records of TensorFlow's framing, each an Event of Protocol Buffers, with scalars in it.
// Format: https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
#include <array>
#include <bit>
#include <cmath>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/content/protobuf_reader.h"
#include "engine/results/metric_export.h"
#include "engine/results/metric_import.h"

namespace cairn {
namespace {

constexpr std::uint64_t kTagBytesMax = MetricLog::kNameBytesMax;
constexpr std::uint64_t kFrameBytes = 8 + 4;

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrcTable = crc_table();

// CRC-32C, rotated and shifted so that a checksum of what has checksums is none of itself.
std::uint32_t masked_crc(Bytes bytes) {
  std::uint32_t crc = ~0u;
  for (const std::byte byte : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<std::uint32_t>(byte)) & 255];
  return std::rotr(~crc, 15) + 0xA282EAD8u;
}

Error damaged(std::uint64_t offset, std::string_view what) {
  return make_error(ErrorCode::corruption,
                    "event file: the record at offset " + std::to_string(offset) + " " + std::string(what));
}

struct Event {
  double wall_time = 0;
  std::int64_t step = 0;
  std::deque<std::string> tags;  // which the values refer to
  std::vector<NamedMetric> values;
};

// Reads the message of one record.
class EventReader {
 public:
  explicit EventReader(Bytes message) : message_(message), source_(message), reader_(source_) {}

  // Nothing when it is no Event.
  std::optional<Event> read() {
    Event event;
    while (const auto field = reader_.next(message_.size())) {
      if (field->number == 1 && field->wire == ProtobufField::Wire::fixed64) {
        event.wall_time = std::bit_cast<double>(load_le<std::uint64_t>(message_.data() + field->begin));
      } else if (field->number == 2 && field->wire == ProtobufField::Wire::varint) {
        event.step = static_cast<std::int64_t>(field->value);
      } else if (field->number == 5 && field->wire == ProtobufField::Wire::bytes) {
        read_summary(field->end, event);
      } else if (field->wire == ProtobufField::Wire::bytes) {
        reader_.skip_to(field->end);
      }
    }
    return reader_.failed() ? std::nullopt : std::optional(std::move(event));
  }

 private:
  void read_summary(std::uint64_t end, Event& event) {
    while (const auto field = reader_.next(end)) {
      if (field->wire != ProtobufField::Wire::bytes) continue;
      if (field->number == 1) {
        read_value(field->end, event);
      } else {
        reader_.skip_to(field->end);
      }
    }
  }

  void read_value(std::uint64_t end, Event& event) {
    std::optional<std::string> tag;
    std::optional<double> value;
    while (const auto field = reader_.next(end)) {
      const bool is_bytes = field->wire == ProtobufField::Wire::bytes;
      if (field->number == 1 && is_bytes && field->end - field->begin <= kTagBytesMax) {
        tag = reader_.text(*field, kTagBytesMax);
      } else if (field->number == 2 && field->wire == ProtobufField::Wire::fixed32) {
        value = std::bit_cast<float>(load_le<std::uint32_t>(message_.data() + field->begin));
      } else if (field->number == 8 && is_bytes) {
        value = read_tensor(field->end);
      } else if (is_bytes) {
        reader_.skip_to(field->end);
      }
    }
    if (!tag || tag->empty() || !value) return;
    event.tags.push_back(*std::move(tag));
    event.values.push_back({event.tags.back(), *value});
  }

  // Of a tensor of one float or double; nothing of any other.
  std::optional<double> read_tensor(std::uint64_t end) {
    std::uint64_t dtype = 0;
    std::optional<double> value;
    const auto real_at = [&](std::uint64_t begin, std::uint64_t size) -> std::optional<double> {
      if (size == 4 && dtype == 1) return std::bit_cast<float>(load_le<std::uint32_t>(message_.data() + begin));
      if (size == 8 && dtype == 2) return std::bit_cast<double>(load_le<std::uint64_t>(message_.data() + begin));
      return std::nullopt;
    };
    while (const auto field = reader_.next(end)) {
      if (field->number == 1 && field->wire == ProtobufField::Wire::varint) dtype = field->value;
      const bool is_data = field->number == 4 || field->number == 5 || field->number == 6;
      if (is_data && field->wire != ProtobufField::Wire::varint)
        value = real_at(field->begin, field->end - field->begin);
      if (field->wire == ProtobufField::Wire::bytes) reader_.skip_to(field->end);
    }
    return value;
  }

  Bytes message_;
  MemorySource source_;
  ProtobufReader reader_;
};

std::optional<std::int64_t> nanoseconds(double seconds) {
  if (!(std::abs(seconds) < 9e9)) return std::nullopt;
  return std::llround(seconds * 1e6) * 1000;  // a double of today has no more than microseconds
}

}  // namespace

Result<std::uint64_t> import_tensorboard(Bytes file, std::string_view run, MetricLog& log) {
  CAIRN_TRY(const std::uint32_t id, log.run(run));
  std::uint64_t rows = 0;
  for (std::uint64_t at = 0; file.size() - at >= kFrameBytes;) {
    const Bytes frame = file.subspan(at, kFrameBytes);
    if (load_le<std::uint32_t>(frame.data() + 8) != masked_crc(frame.first(8))) {
      return damaged(at, "has a length that does not match its checksum");
    }
    const auto size = load_le<std::uint64_t>(frame.data());
    const std::uint64_t left = file.size() - at - kFrameBytes;
    if (size > left || left - size < 4) break;  // the writer was not done with it
    const Bytes message = file.subspan(at + kFrameBytes, size);
    if (load_le<std::uint32_t>(message.data() + size) != masked_crc(message)) {
      return damaged(at, "does not match its checksum");
    }
    auto event = EventReader(message).read();
    if (!event) return damaged(at, "is no event");
    if (!event->values.empty()) {
      const auto time_ns = nanoseconds(event->wall_time);
      if (!time_ns) return damaged(at, "has no time");
      CAIRN_CHECK(log_all(log, id, event->step, event->values, time_ns));
      ++rows;
    }
    at += kFrameBytes + size + 4;
  }
  return rows;
}

}  // namespace cairn
