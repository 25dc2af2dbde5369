// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a block, which may be anybody's, into rows.
#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <set>
#include <string>

#include "engine/format/field_reader.h"
#include "engine/results/metric_block.h"
#include "engine/results/metric_block_layout.h"

namespace cairn {
namespace {

using namespace metric_block;

struct ColumnPlace {
  std::uint8_t width = 8;
  std::uint64_t body_at = 0;
  std::uint32_t body_bytes = 0;
};

// The head, and where the rest is.
struct Directory {
  MetricBlockHead head;
  std::uint8_t tick_exponent = 0;
  std::vector<ColumnPlace> places;  // of each column
  std::vector<std::vector<std::uint16_t>> shapes;
  ColumnPlace steps, times, shape_of_rows;
};

double as_double(std::uint64_t bits, MetricKind kind) {
  if (kind == MetricKind::integer) return static_cast<double>(static_cast<std::int64_t>(bits));
  return std::bit_cast<double>(bits);
}

Result<MetricColumnHead> read_column(FieldReader& reader, ColumnPlace& place) {
  MetricColumnHead column;
  CAIRN_TRY(column.name, reader.get_string("name"));
  if (column.name.size() > kMetricNameBytesMax) return reader.wrong("is longer than 1024 bytes");
  CAIRN_TRY(const auto kind, reader.get<std::uint8_t>("kind"));
  column.kind = static_cast<MetricKind>(kind);
  if (kind < 1 || kind > 3) return reader.wrong("is no real, integer or text");
  CAIRN_TRY(place.width, reader.get<std::uint8_t>("width"));
  const bool is_width = place.width == 8 || (place.width == 4 && column.kind == MetricKind::real);
  if (!is_width) return reader.wrong("is not one of that kind");
  column.is_float32 = place.width == 4;
  CAIRN_TRY(column.count, reader.get<std::uint32_t>("count"));
  if (column.count == 0) return reader.wrong("is 0");
  CAIRN_TRY(column.nans, reader.get<std::uint32_t>("nans"));
  if (column.nans > column.count) return reader.wrong("is above the count");
  CAIRN_TRY(const auto min, reader.get<std::uint64_t>("min"));
  CAIRN_TRY(const auto max, reader.get<std::uint64_t>("max"));
  CAIRN_TRY(const auto last, reader.get<std::uint64_t>("last"));
  column.min = as_double(min, column.kind);
  column.max = as_double(max, column.kind);
  column.last = as_double(last, column.kind);
  CAIRN_TRY(place.body_bytes, reader.get<std::uint32_t>("body_bytes"));
  return column;
}

Status read_columns(FieldReader& reader, std::uint32_t count, Directory& directory) {
  std::set<std::pair<std::string, MetricKind>> names;
  std::uint64_t points = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    CAIRN_TRY(MetricColumnHead column, read_column(reader, directory.places.emplace_back()));
    if (column.count > directory.head.rows) return reader.wrong("belongs to a column of more values than rows");
    if ((points += column.count) > kMetricBlockPointsMax) return reader.wrong("makes the block hold too many values");
    if (!names.emplace(column.name, column.kind).second) return reader.wrong("ends a column that is there twice");
    directory.head.columns.push_back(std::move(column));
  }
  return {};
}

Status read_shapes(FieldReader& reader, std::uint32_t count, Directory& directory) {
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& shape = directory.shapes.emplace_back();
    CAIRN_TRY(const auto size, reader.get_count("shape", 2));
    for (std::uint32_t k = 0; k < size; ++k) {
      CAIRN_TRY(const auto column, reader.get<std::uint16_t>("shape_column"));
      if (column >= directory.head.columns.size()) return reader.wrong("is no column");
      if (!shape.empty() && column <= shape.back()) return reader.wrong("is not ascending");
      shape.push_back(column);
    }
  }
  return {};
}

// Bodies follow each other without gaps up to the block's end, when that is known.
Status place_bodies(Directory& directory, std::uint64_t at, std::optional<std::uint64_t> block_bytes) {
  std::vector<ColumnPlace*> order{&directory.steps, &directory.times, &directory.shape_of_rows};
  for (ColumnPlace& place : directory.places) order.push_back(&place);
  for (ColumnPlace* place : order) {
    place->body_at = at;
    at += place->body_bytes;  // at most 4099 times 4 GiB: no overflow
  }
  directory.head.bytes = at;
  const std::uint64_t bytes = block_bytes.value_or(at);
  if (at == bytes) return {};
  return wrong_field(kStructure, "body_bytes", kFixedBytes,
                     "makes " + std::to_string(at) + " bytes of a block that has " + std::to_string(bytes));
}

enum class Given : std::uint8_t { block, directory };

Result<Directory> read_directory(Bytes block, Given given = Given::block) {
  Bytes front = block;
  if (block.size() >= kFixedBytes) {
    const auto declared = load_le<std::uint32_t>(block.data() + kDirectoryBytesAt);
    front = block.first(std::min<std::size_t>(block.size(), std::max<std::size_t>(declared, kFixedBytes)));
  }
  FieldReader reader(kStructure, front);
  Directory directory;
  MetricBlockHead& head = directory.head;
  CAIRN_TRY(const auto version, reader.get<std::uint8_t>("version"));
  if (version > kVersion) return newer_version(kStructure, version, kVersion);
  if (version == 0) return reader.wrong("is 0");
  CAIRN_TRY(directory.tick_exponent, reader.get<std::uint8_t>("tick"));
  head.tick_ns = tick_of(directory.tick_exponent);
  if (head.tick_ns == 0) return reader.wrong("is none of 0, 3 and 6");
  CAIRN_TRY(const auto reserved, reader.get<std::uint16_t>("reserved"));
  if (reserved != 0) return reader.wrong("is not zero");
  CAIRN_TRY(head.rows, reader.get<std::uint32_t>("rows"));
  if (head.rows > kMetricBlockRowsMax) return reader.wrong("is above " + std::to_string(kMetricBlockRowsMax));
  CAIRN_TRY(head.min_step, reader.get_signed("min_step"));
  CAIRN_TRY(head.max_step, reader.get_signed("max_step"));
  CAIRN_TRY(head.min_time_ns, reader.get_signed("min_time"));
  CAIRN_TRY(head.max_time_ns, reader.get_signed("max_time"));
  CAIRN_TRY(const auto columns, reader.get_count("columns", kColumnBytesMin));
  if (columns > kMetricBlockColumnsMax) return reader.wrong("is above " + std::to_string(kMetricBlockColumnsMax));
  CAIRN_TRY(const auto shapes, reader.get_count("shapes", kShapeBytesMin));
  if (shapes > head.rows) return reader.wrong("is above the number of rows");
  CAIRN_TRY(const auto directory_bytes, reader.get<std::uint32_t>("directory_bytes"));
  if (directory_bytes != front.size()) return reader.wrong("is not that of a directory inside the block");
  CAIRN_CHECK(read_columns(reader, columns, directory));
  CAIRN_CHECK(read_shapes(reader, shapes, directory));
  CAIRN_TRY(directory.steps.body_bytes, reader.get<std::uint32_t>("steps_bytes"));
  CAIRN_TRY(directory.times.body_bytes, reader.get<std::uint32_t>("times_bytes"));
  CAIRN_TRY(directory.shape_of_rows.body_bytes, reader.get<std::uint32_t>("shape_of_rows_bytes"));
  CAIRN_CHECK(reader.expect_end());
  head.directory_bytes = front.size();
  if (given == Given::directory && front.size() != block.size()) {
    return wrong_field(kStructure, "directory_bytes", kDirectoryBytesAt, "is not that of all there is");
  }
  const auto block_bytes = given == Given::block ? std::optional<std::uint64_t>(block.size()) : std::nullopt;
  CAIRN_CHECK(place_bodies(directory, front.size(), block_bytes));
  return directory;
}

Status check_range(const std::vector<std::int64_t>& values, std::int64_t min, std::int64_t max, std::string_view field,
                   std::uint64_t offset) {
  const auto [least, greatest] = std::ranges::minmax_element(values);
  const bool right = values.empty() ? min == 0 && max == 0 : min == *least && max == *greatest;
  return right ? Status() : wrong_field(kStructure, field, offset, "is not that of the rows");
}

}  // namespace

class MetricBlockDecoder {
 public:
  MetricBlockDecoder(Bytes block, Directory directory) : block_(block), directory_(std::move(directory)) {}

  Result<MetricRows> decode(const WantedSeries& wanted) {
    const MetricBlockHead& head = directory_.head;
    CAIRN_CHECK(decode_steps_and_times());
    CAIRN_CHECK(find_rows(wanted));
    for (std::size_t i = 0; i < head.columns.size(); ++i) {
      if (wanted && !wanted(head.columns[i].name)) continue;
      CAIRN_CHECK(decode_column(i));
    }
    return std::move(rows_);
  }

 private:
  Bytes body(const ColumnPlace& place) const { return block_.subspan(place.body_at, place.body_bytes); }

  Result<std::vector<std::uint64_t>> numbers(const ColumnPlace& place, std::size_t count, WordKind kind,
                                             std::string_view field) const {
    return decode_numbers(body(place), count, kind, field, place.body_at);
  }

  Status decode_steps_and_times() {
    const MetricBlockHead& head = directory_.head;
    CAIRN_TRY(const auto steps, numbers(directory_.steps, head.rows, WordKind::integer64, "steps"));
    for (const std::uint64_t step : steps) rows_.steps_.push_back(static_cast<std::int64_t>(step));
    CAIRN_TRY(const auto times, numbers(directory_.times, head.rows, WordKind::integer64, "times"));
    const std::int64_t tick = tick_of(directory_.tick_exponent);
    for (const std::uint64_t time : times) {
      std::int64_t time_ns = 0;
      if (__builtin_mul_overflow(static_cast<std::int64_t>(time), tick, &time_ns)) {
        return wrong_field(kStructure, "times", directory_.times.body_at, "has a time beyond 64 bits");
      }
      rows_.times_.push_back(time_ns);
    }
    CAIRN_CHECK(check_range(rows_.steps_, head.min_step, head.max_step, "min_step", 8));
    return check_range(rows_.times_, head.min_time_ns, head.max_time_ns, "min_time", 24);
  }

  // Which rows each wanted column has a value in.
  Status find_rows(const WantedSeries& wanted) {
    const MetricBlockHead& head = directory_.head;
    CAIRN_TRY(const auto of_rows, numbers(directory_.shape_of_rows, head.rows, WordKind::integer64, "shape_of_rows"));
    std::vector<bool> is_wanted(head.columns.size(), true);
    for (std::size_t i = 0; wanted && i < is_wanted.size(); ++i) is_wanted[i] = wanted(head.columns[i].name);
    rows_of_columns_.resize(head.columns.size());
    std::uint64_t values = 0;
    for (std::uint32_t row = 0; row < head.rows; ++row) {
      if (of_rows[row] >= directory_.shapes.size()) {
        return wrong_field(kStructure, "shape_of_rows", directory_.shape_of_rows.body_at, "names a shape there is not");
      }
      const auto& shape = directory_.shapes[of_rows[row]];
      if ((values += shape.size()) > kMetricBlockPointsMax) {
        return wrong_field(kStructure, "shape_of_rows", directory_.shape_of_rows.body_at, "makes too many values");
      }
      for (const std::uint16_t column : shape) {
        if (is_wanted[column]) rows_of_columns_[column].push_back(row);
      }
    }
    for (std::size_t i = 0; i < head.columns.size(); ++i) {
      if (!is_wanted[i] || rows_of_columns_[i].size() == head.columns[i].count) continue;
      return wrong_field(kStructure, "count", kFixedBytes,
                         "is not the number of rows that have " + head.columns[i].name);
    }
    return {};
  }

  Status decode_column(std::size_t index) {
    const MetricColumnHead& head = directory_.head.columns[index];
    ColumnPlace place = directory_.places[index];
    const std::size_t made = rows_.column(head.name, head.kind);
    MetricColumn& column = rows_.columns_[made];
    column.rows = std::move(rows_of_columns_[index]);
    rows_.points_ += column.rows.size();
    if (head.kind == MetricKind::text) CAIRN_CHECK(decode_dictionary(made, place));
    CAIRN_TRY(const auto words, numbers(place, head.count, word_kind(head.kind, place.width), head.name));
    for (const std::uint64_t word : words) {
      switch (head.kind) {
        case MetricKind::real:
          column.reals.push_back(place.width == 8 ? std::bit_cast<double>(word)
                                                  : std::bit_cast<float>(static_cast<std::uint32_t>(word)));
          break;
        case MetricKind::integer: column.integers.push_back(static_cast<std::int64_t>(word)); break;
        case MetricKind::text:
          if (word >= column.dictionary.size()) {
            return wrong_field(kStructure, head.name, place.body_at, "names a text there is not");
          }
          column.texts.push_back(static_cast<std::uint32_t>(word));
          break;
      }
    }
    return {};
  }

  // Passes `place` on to the numbers behind it.
  Status decode_dictionary(std::size_t made, ColumnPlace& place) {
    MetricColumn& column = rows_.columns_[made];
    FieldReader reader(kStructure, body(place));
    std::uint64_t read = 4;
    CAIRN_TRY(const auto count, reader.get_count("dictionary", 4));
    if (count > column.rows.size()) return reader.wrong("has more texts than the column has values");
    for (std::uint32_t i = 0; i < count; ++i) {
      CAIRN_TRY(std::string text, reader.get_string("text"));
      if (text.size() > kMetricTextBytesMax) return reader.wrong("is longer than 4096 bytes");
      read += 4 + text.size();
      rows_.text_bytes_ += text.size();
      if (!rows_.texts_[made].places.emplace(text, i).second) return reader.wrong("is there twice");
      column.dictionary.push_back(std::move(text));
    }
    place.body_at += read;
    place.body_bytes -= static_cast<std::uint32_t>(read);
    return {};
  }

  Bytes block_;
  Directory directory_;
  MetricRows rows_;
  std::vector<std::vector<std::uint32_t>> rows_of_columns_;
};

Result<MetricBlockHead> read_metric_block_head(Bytes block) {
  CAIRN_TRY(Directory directory, read_directory(block));
  return std::move(directory.head);
}

Result<MetricBlockHead> read_metric_block_directory(Bytes bytes) {
  CAIRN_TRY(Directory directory, read_directory(bytes, Given::directory));
  return std::move(directory.head);
}

Result<MetricRows> decode_metric_block(Bytes block, const WantedSeries& wanted) {
  CAIRN_TRY(Directory directory, read_directory(block));
  return MetricBlockDecoder(block, std::move(directory)).decode(wanted);
}

}  // namespace cairn
