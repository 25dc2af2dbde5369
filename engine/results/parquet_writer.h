// SPDX-License-Identifier: Apache-2.0
//
// Writes tables as Parquet files: flat columns, zstd, dictionaries of texts, statistics. What is written is read by
// DuckDB, Arrow and whoever else knows the format: https://parquet.apache.org/docs/file-format/
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

enum class ParquetType : std::uint8_t { int64, float32, float64, text, timestamp_us, timestamp_ns };

struct ParquetColumn {
  std::string name;  // UTF-8
  ParquetType type = ParquetType::int64;
  bool nullable = false;
};

// The values of one column in one group of rows. Of the arrays the one that the type names is used, without an entry
// for what is missing: `reals` for both kinds of floats, `integers` for times too.
struct ParquetChunk {
  std::vector<std::uint8_t> present;  // of each row, 0 or 1; empty: all are
  std::vector<std::int64_t> integers;
  std::vector<double> reals;
  std::vector<std::uint32_t> texts;     // places in the dictionary
  std::vector<std::string> dictionary;  // UTF-8; every text once
};

// One thread at a time. After a failure of the output nothing more is written.
class ParquetWriter {
 public:
  using Output = std::function<Status(Bytes)>;

  ParquetWriter(std::vector<ParquetColumn> columns, Output output);

  // At least one row; a chunk for each column, in their order. invalid_argument when a chunk does not have `rows` rows.
  Status add_row_group(std::size_t rows, std::span<const ParquetChunk> chunks);
  // The end of the file, also of one without rows. Nothing may be added then.
  Status finish();

 private:
  struct Range {  // PLAIN-encoded, of a text without its length
    std::vector<std::byte> min, max;
  };
  struct WrittenChunk {
    std::int64_t dictionary_at = 0;  // 0: none
    std::int64_t data_at = 0;
    std::int64_t raw_bytes = 0, stored_bytes = 0;  // with the headers of pages
    std::int64_t nulls = 0;
    std::optional<Range> range;
  };
  struct RowGroup {
    std::int64_t rows = 0;
    std::vector<WrittenChunk> chunks;
  };

  Status check(std::size_t rows, const ParquetColumn& column, const ParquetChunk& chunk) const;
  Status write_chunk(std::size_t rows, const ParquetColumn& column, const ParquetChunk& chunk, WrittenChunk& written);
  Status write_page(Bytes page, std::optional<std::size_t> dictionary_entries, std::size_t values, bool is_text,
                    WrittenChunk& written);
  Status write(Bytes bytes);
  std::vector<std::byte> footer() const;

  const std::vector<ParquetColumn> columns_;
  Output output_;
  std::int64_t at_ = 0;
  std::vector<RowGroup> groups_;
};

}  // namespace cairn
