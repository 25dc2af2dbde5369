// SPDX-License-Identifier: Apache-2.0
//
// Values into pages, pages into chunks, chunks into row groups.
#include "engine/results/parquet_writer.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>

#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/results/rle_hybrid.h"
#include "engine/results/thrift_compact.h"

namespace cairn {
namespace {

constexpr std::size_t kPageRows = 65536;
constexpr int kLevel = 3;
constexpr std::string_view kMagic = "PAR1";

std::size_t values_of(const ParquetColumn& column, const ParquetChunk& chunk) {
  switch (column.type) {
    case ParquetType::float32:
    case ParquetType::float64: return chunk.reals.size();
    case ParquetType::text: return chunk.texts.size();
    default: return chunk.integers.size();
  }
}

template <class T>
void put_plain(T value, std::vector<std::byte>& out) {
  const std::size_t at = out.size();
  out.resize(at + sizeof(T));
  std::memcpy(out.data() + at, &value, sizeof(T));
}

// Values from `first` to `last` of the chunk, as PLAIN has them, or as places in the dictionary.
void put_values(const ParquetColumn& column, const ParquetChunk& chunk, std::size_t first, std::size_t last,
                std::vector<std::byte>& page) {
  switch (column.type) {
    case ParquetType::float32:
      for (std::size_t i = first; i < last; ++i) put_plain(static_cast<float>(chunk.reals[i]), page);
      return;
    case ParquetType::float64:
      for (std::size_t i = first; i < last; ++i) put_plain(chunk.reals[i], page);
      return;
    case ParquetType::text: {
      const auto places = static_cast<std::uint32_t>(std::max<std::size_t>(chunk.dictionary.size(), 2) - 1);
      const auto width = static_cast<unsigned>(std::bit_width(places));
      page.push_back(static_cast<std::byte>(width));
      put_rle_hybrid(std::span(chunk.texts).subspan(first, last - first), width, page);
      return;
    }
    default:
      for (std::size_t i = first; i < last; ++i) put_plain(chunk.integers[i], page);
  }
}

std::vector<std::byte> plain_text(const std::string& text) {
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

template <class T>
std::vector<std::byte> plain(T value) {
  std::vector<std::byte> out;
  put_plain(value, out);
  return out;
}

// In the formats' ranges zeros have a sign: the smallest is -0, the largest 0.
double low(double value) { return value == 0 ? -0.0 : value; }
double high(double value) { return value == 0 ? 0.0 : value; }

}  // namespace

ParquetWriter::ParquetWriter(std::vector<ParquetColumn> columns, Output output)
    : columns_(std::move(columns)), output_(std::move(output)) {}

Status ParquetWriter::write(Bytes bytes) {
  if (at_ == 0) {
    at_ = static_cast<std::int64_t>(kMagic.size());
    CAIRN_CHECK(output_(as_bytes(kMagic)));
  }
  at_ += static_cast<std::int64_t>(bytes.size());
  return output_(bytes);
}

Status ParquetWriter::check(std::size_t rows, const ParquetColumn& column, const ParquetChunk& chunk) const {
  const auto wrong = [&](const char* why) {
    return make_error(ErrorCode::invalid_argument, "column " + column.name + " of a Parquet file " + why);
  };
  if (!chunk.present.empty() && !column.nullable) return wrong("is not nullable");
  if (!chunk.present.empty() && chunk.present.size() != rows) return wrong("does not have as many rows as the group");
  const auto present =
      chunk.present.empty() ? rows : static_cast<std::size_t>(std::ranges::count(chunk.present, std::uint8_t{1}));
  if (values_of(column, chunk) != present) return wrong("does not have as many values as rows");
  if (std::ranges::any_of(chunk.texts, [&](std::uint32_t text) { return text >= chunk.dictionary.size(); })) {
    return wrong("names a text that is not in its dictionary");
  }
  return {};
}

Status ParquetWriter::add_row_group(std::size_t rows, std::span<const ParquetChunk> chunks) {
  if (rows == 0 || chunks.size() != columns_.size()) {
    return make_error(ErrorCode::invalid_argument, "a row group has rows, and a chunk for each column");
  }
  for (std::size_t i = 0; i < chunks.size(); ++i) CAIRN_CHECK(check(rows, columns_[i], chunks[i]));
  RowGroup& group = groups_.emplace_back();
  group.rows = static_cast<std::int64_t>(rows);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    CAIRN_CHECK(write_chunk(rows, columns_[i], chunks[i], group.chunks.emplace_back()));
  }
  return {};
}

Status ParquetWriter::write_chunk(std::size_t rows, const ParquetColumn& column, const ParquetChunk& chunk,
                                  WrittenChunk& written) {
  const bool is_text = column.type == ParquetType::text;
  std::vector<std::byte> page;
  if (at_ == 0) CAIRN_CHECK(write({}));
  if (is_text) {
    for (const std::string& text : chunk.dictionary) {
      put_plain(static_cast<std::uint32_t>(text.size()), page);
      page.insert(page.end(), as_bytes(text).begin(), as_bytes(text).end());
    }
    written.dictionary_at = at_;
    CAIRN_CHECK(write_page(page, chunk.dictionary.size(), 0, is_text, written));
  }
  written.data_at = at_;
  std::size_t value = 0;
  for (std::size_t first = 0; first < rows; first += kPageRows) {
    const std::size_t last = std::min(rows, first + kPageRows);
    std::size_t present = last - first;
    page.clear();
    if (column.nullable) {
      std::vector<std::uint32_t> levels(last - first, 1);
      if (!chunk.present.empty()) {
        for (std::size_t i = first; i < last; ++i) levels[i - first] = chunk.present[i];
        present = static_cast<std::size_t>(std::ranges::count(levels, 1u));
      }
      page.resize(4);
      put_rle_hybrid(levels, 1, page);
      store_le(page.data(), static_cast<std::uint32_t>(page.size() - 4));
    }
    put_values(column, chunk, value, value + present, page);
    value += present;
    CAIRN_CHECK(write_page(page, std::nullopt, last - first, is_text, written));
  }
  written.nulls = static_cast<std::int64_t>(rows - value);
  if (value == 0) return {};
  switch (column.type) {
    case ParquetType::float32:
    case ParquetType::float64: {
      // Readers do not agree where NaN belongs: a chunk with one has no range.
      if (std::ranges::any_of(chunk.reals, [](double real) { return std::isnan(real); })) return {};
      const auto [min, max] = std::ranges::minmax(chunk.reals);
      written.range = column.type == ParquetType::float64
                          ? Range{plain(low(min)), plain(high(max))}
                          : Range{plain(static_cast<float>(low(min))), plain(static_cast<float>(high(max)))};
      return {};
    }
    case ParquetType::text: {
      std::vector<bool> used(chunk.dictionary.size());
      for (const std::uint32_t text : chunk.texts) used[text] = true;
      const std::string *min = nullptr, *max = nullptr;
      for (std::size_t i = 0; i < used.size(); ++i) {
        const std::string& text = chunk.dictionary[i];
        if (!used[i]) continue;
        if (min == nullptr || text < *min) min = &text;
        if (max == nullptr || text > *max) max = &text;
      }
      written.range = Range{plain_text(*min), plain_text(*max)};
      return {};
    }
    default: {
      const auto [min, max] = std::ranges::minmax(chunk.integers);
      written.range = Range{plain(min), plain(max)};
      return {};
    }
  }
}

Status ParquetWriter::write_page(Bytes page, std::optional<std::size_t> dictionary_entries, std::size_t values,
                                 bool is_text, WrittenChunk& written) {
  thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  std::vector<std::byte> stored(ZSTD_compressBound(page.size()));
  const std::size_t size =
      ZSTD_compressCCtx(context.get(), stored.data(), stored.size(), page.data(), page.size(), kLevel);
  // Sizes are signed 32-bit numbers.
  if (ZSTD_isError(size) != 0 || page.size() > 0x7fffffff || size > 0x7fffffff) {
    return make_error(ErrorCode::resource_exhausted, "a page of a Parquet file is too large");
  }
  std::vector<std::byte> header;
  ThriftWriter thrift(header);
  thrift.i32(1, dictionary_entries ? 2 : 0);
  thrift.i32(2, static_cast<std::int32_t>(page.size()));
  thrift.i32(3, static_cast<std::int32_t>(size));
  if (dictionary_entries) {
    thrift.begin(7);
    thrift.i32(1, static_cast<std::int32_t>(*dictionary_entries));
    thrift.i32(2, 0);  // PLAIN
  } else {
    thrift.begin(5);
    thrift.i32(1, static_cast<std::int32_t>(values));
    thrift.i32(2, is_text ? 8 : 0);  // RLE_DICTIONARY, PLAIN
    thrift.i32(3, 3);                // levels: RLE
    thrift.i32(4, 3);
  }
  thrift.end();
  thrift.finish();
  written.raw_bytes += static_cast<std::int64_t>(header.size() + page.size());
  written.stored_bytes += static_cast<std::int64_t>(header.size() + size);
  CAIRN_CHECK(write(header));
  return write(Bytes(stored).first(size));
}

Status ParquetWriter::finish() {
  if (at_ == 0) CAIRN_CHECK(write({}));
  std::vector<std::byte> end = footer();
  ByteWriter writer(end);
  writer.put(static_cast<std::uint32_t>(end.size()));
  writer.put_bytes(as_bytes(kMagic));
  return write(end);
}

std::vector<std::byte> ParquetWriter::footer() const {
  std::vector<std::byte> out;
  ThriftWriter thrift(out);
  const auto physical = [](ParquetType type) {
    switch (type) {
      case ParquetType::float32: return 4;
      case ParquetType::float64: return 5;
      case ParquetType::text: return 6;
      default: return 2;
    }
  };
  thrift.i32(1, 1);
  thrift.list_of_structs(2, columns_.size() + 1);
  thrift.begin_element();
  thrift.text(4, "schema");
  thrift.i32(5, static_cast<std::int32_t>(columns_.size()));
  thrift.end();
  for (const ParquetColumn& column : columns_) {
    thrift.begin_element();
    thrift.i32(1, physical(column.type));
    thrift.i32(3, column.nullable ? 1 : 0);
    thrift.text(4, column.name);
    if (column.type == ParquetType::text) {
      thrift.i32(6, 0);  // UTF8
      thrift.begin(10);
      thrift.begin(1);
      thrift.end();
      thrift.end();
    } else if (column.type == ParquetType::timestamp_us || column.type == ParquetType::timestamp_ns) {
      const bool is_us = column.type == ParquetType::timestamp_us;
      if (is_us) thrift.i32(6, 10);  // TIMESTAMP_MICROS
      thrift.begin(10);
      thrift.begin(8);
      thrift.boolean(1, true);  // of UTC
      thrift.begin(2);
      thrift.begin(is_us ? 2 : 3);
      thrift.end();
      thrift.end();
      thrift.end();
      thrift.end();
    }
    thrift.end();
  }
  std::int64_t rows = 0;
  for (const RowGroup& group : groups_) rows += group.rows;
  thrift.i64(3, rows);
  thrift.list_of_structs(4, groups_.size());
  for (const RowGroup& group : groups_) {
    thrift.begin_element();
    thrift.list_of_structs(1, columns_.size());
    std::int64_t raw = 0, stored = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const WrittenChunk& chunk = group.chunks[i];
      const bool is_text = columns_[i].type == ParquetType::text;
      raw += chunk.raw_bytes;
      stored += chunk.stored_bytes;
      thrift.begin_element();
      thrift.i64(2, 0);
      thrift.begin(3);
      thrift.i32(1, physical(columns_[i].type));
      thrift.list_of_i32(2, is_text ? 3 : 2);
      thrift.element(0);
      thrift.element(3);
      if (is_text) thrift.element(8);
      thrift.list_of_texts(3, 1);
      thrift.element(columns_[i].name);
      thrift.i32(4, 6);  // ZSTD
      thrift.i64(5, group.rows);
      thrift.i64(6, chunk.raw_bytes);
      thrift.i64(7, chunk.stored_bytes);
      thrift.i64(9, chunk.data_at);
      if (is_text) thrift.i64(11, chunk.dictionary_at);
      thrift.begin(12);
      thrift.i64(3, chunk.nulls);
      if (chunk.range) {
        thrift.text(5, as_text(chunk.range->max));
        thrift.text(6, as_text(chunk.range->min));
      }
      thrift.end();
      thrift.end();
      thrift.end();
    }
    thrift.i64(2, raw);
    thrift.i64(3, group.rows);
    const WrittenChunk& first = group.chunks.front();
    thrift.i64(5, first.dictionary_at != 0 ? first.dictionary_at : first.data_at);
    thrift.i64(6, stored);
    thrift.end();
  }
  thrift.text(6, "cairn");
  thrift.list_of_structs(7, columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    thrift.begin_element();
    thrift.begin(1);  // by type: ranges count
    thrift.end();
    thrift.end();
  }
  thrift.finish();
  return out;
}

}  // namespace cairn
