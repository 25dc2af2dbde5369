// SPDX-License-Identifier: Apache-2.0
//
// Rows as lines of text, or gathered into groups for Parquet.
#include "engine/results/metric_export.h"

#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <unordered_map>

#include "engine/base/errors.h"
#include "engine/results/metric_table.h"
#include "engine/results/parquet_writer.h"

namespace cairn {
namespace {

constexpr std::size_t kBufferBytes = 256 * KiB;
constexpr std::size_t kGroupRows = 131072;
constexpr std::size_t kGroupCells = 1u << 22;
constexpr std::size_t kGroupTextBytes = 16 * MiB;

template <class T>
void append_number(T value, std::string& out) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), end.ptr);
}

class TextOutput {
 public:
  explicit TextOutput(const MetricOutput& output) : output_(output) {}
  std::string text;
  Status flush_when_large() { return text.size() < kBufferBytes ? Status() : flush(); }
  Status flush() {
    if (text.empty()) return {};
    Status status = output_(as_bytes(text));
    text.clear();
    return status;
  }

 private:
  const MetricOutput& output_;
};

// --- CSV ---

void append_csv(std::string_view text, std::string& out) {
  // An empty text is told from a missing one by its quotes.
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out.append(text);
    return;
  }
  out.push_back('"');
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  out.push_back('"');
}

void append_csv(double value, std::string& out) {
  if (std::isnan(value)) {
    out.append("nan");
  } else if (std::isinf(value)) {
    out.append(value < 0 ? "-inf" : "inf");
  } else {
    append_number(value, out);
  }
}

void append_csv(const MetricTableColumn& column, const MetricTableRows::Cell& cell, std::string& out) {
  if (column.is_text) {
    append_csv(to_utf8(cell.text()), out);
  } else if (cell.column->kind == MetricKind::integer) {
    append_number(cell.integer(), out);
  } else {
    append_csv(cell.number(), out);
  }
}

// --- JSON Lines ---

void append_json(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (code < 0x20) {
      out.append("\\u00").push_back(kHex[code >> 4]);
      out.push_back(kHex[code & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void append_json(const MetricTableColumn& column, const MetricTableRows::Cell& cell, std::string& out) {
  if (column.is_text) return append_json(to_utf8(cell.text()), out);
  if (cell.column->kind == MetricKind::integer) return append_number(cell.integer(), out);
  const double value = cell.number();
  if (std::isfinite(value)) return append_number(value, out);
  append_json(std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity", out);
}

Status export_text(MetricReader& reader, std::span<const std::string> runs, const MetricTable& table, bool is_csv,
                   const MetricOutput& output) {
  TextOutput out(output);
  if (is_csv) {
    out.text = "run,step,time_ns";
    for (const MetricTableColumn& column : table.columns) append_csv(column.name, out.text += ',');
    out.text += "\r\n";
  }
  for (const std::string& run : runs) {
    const std::string name = to_utf8(run);
    const auto visit = [&](const MetricRows& rows) -> Status {
      CAIRN_TRY(MetricTableRows cells, MetricTableRows::of(table, rows));
      for (std::uint32_t row = 0; row < rows.rows(); ++row) {
        if (is_csv) {
          append_csv(name, out.text);
        } else {
          append_json(name, out.text += "{\"run\":");
        }
        append_number(rows.steps()[row], out.text += is_csv ? "," : ",\"step\":");
        append_number(rows.times_ns()[row], out.text += is_csv ? "," : ",\"time_ns\":");
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
          const auto cell = cells.cell(i, row);
          if (is_csv) out.text += ',';
          if (!cell) continue;
          if (is_csv) {
            append_csv(table.columns[i], *cell, out.text);
          } else {
            append_json(table.columns[i].name, out.text += ',');
            append_json(table.columns[i], *cell, out.text += ':');
          }
        }
        out.text += is_csv ? "\r\n" : "}\n";
        CAIRN_CHECK(out.flush_when_large());
      }
      return {};
    };
    CAIRN_CHECK(reader.rows(run, {}, visit));
  }
  return out.flush();
}

// --- Parquet ---

// Chunks that grow row by row, and become a group of rows when there are enough.
class ParquetTable {
 public:
  ParquetTable(const MetricTable& table, const MetricOutput& output)
      : table_(table), writer_(columns_of(table), output), chunks_(kFixed + table.columns.size()) {}

  Status add(const std::string& run, const MetricRows& rows) {
    CAIRN_TRY(MetricTableRows cells, MetricTableRows::of(table_, rows));
    for (std::uint32_t row = 0; row < rows.rows(); ++row) {
      add_text(0, run);
      chunks_[1].integers.push_back(rows.steps()[row]);
      chunks_[2].integers.push_back(table_.times_are_us ? rows.times_ns()[row] / 1000 : rows.times_ns()[row]);
      ++rows_;
      for (std::size_t i = 0; i < table_.columns.size(); ++i) {
        const auto cell = cells.cell(i, row);
        ParquetChunk& chunk = chunks_[kFixed + i];
        chunk.present.push_back(cell ? 1 : 0);
        if (!cell) continue;
        if (table_.columns[i].is_text) {
          add_text(kFixed + i, to_utf8(cell->text()));
        } else if (table_.columns[i].is_integer) {
          chunk.integers.push_back(cell->integer());
        } else {
          chunk.reals.push_back(cell->number());
        }
      }
      const bool is_large = rows_ * chunks_.size() >= kGroupCells || text_bytes_ >= kGroupTextBytes;
      if (rows_ >= kGroupRows || is_large) CAIRN_CHECK(flush());
    }
    return {};
  }

  Status finish() {
    CAIRN_CHECK(flush());
    return writer_.finish();
  }

 private:
  static constexpr std::size_t kFixed = 3;

  static std::vector<ParquetColumn> columns_of(const MetricTable& table) {
    std::vector<ParquetColumn> columns{
        {"run", ParquetType::text, false},
        {"step", ParquetType::int64, false},
        {"time", table.times_are_us ? ParquetType::timestamp_us : ParquetType::timestamp_ns, false}};
    for (const MetricTableColumn& column : table.columns) {
      columns.push_back({column.name,
                         column.is_text      ? ParquetType::text
                         : column.is_integer ? ParquetType::int64
                         : column.is_float32 ? ParquetType::float32
                                             : ParquetType::float64,
                         true});
    }
    return columns;
  }

  void add_text(std::size_t column, const std::string& text) {
    ParquetChunk& chunk = chunks_[column];
    const auto [found, is_new] = texts_[column].emplace(text, static_cast<std::uint32_t>(chunk.dictionary.size()));
    if (is_new) {
      chunk.dictionary.push_back(text);
      text_bytes_ += text.size();
    }
    chunk.texts.push_back(found->second);
  }

  Status flush() {
    if (rows_ == 0) return {};
    CAIRN_CHECK(writer_.add_row_group(rows_, chunks_));
    rows_ = 0;
    for (ParquetChunk& chunk : chunks_) chunk = {};
    texts_.clear();
    text_bytes_ = 0;
    return {};
  }

  const MetricTable& table_;
  ParquetWriter writer_;
  std::vector<ParquetChunk> chunks_;
  std::unordered_map<std::size_t, std::unordered_map<std::string, std::uint32_t>> texts_;
  std::size_t rows_ = 0;
  std::size_t text_bytes_ = 0;  // of the dictionaries
};

Status export_parquet(MetricReader& reader, std::span<const std::string> runs, const MetricTable& table,
                      const MetricOutput& output) {
  ParquetTable parquet(table, output);
  for (const std::string& run : runs) {
    const std::string name = to_utf8(run);
    CAIRN_CHECK(reader.rows(run, {}, [&](const MetricRows& rows) { return parquet.add(name, rows); }));
  }
  return parquet.finish();
}

}  // namespace

Status export_metrics(MetricReader& reader, std::span<const std::string> runs, MetricFormat format,
                      const MetricOutput& output) {
  if (format == MetricFormat::tensorboard) {
    return make_error(ErrorCode::invalid_argument, "metrics are not exported to TensorBoard's event files");
  }
  CAIRN_TRY(const MetricTable table, metric_table(reader, runs));
  if (format == MetricFormat::parquet) return export_parquet(reader, runs, table, output);
  return export_text(reader, runs, table, format == MetricFormat::csv, output);
}

}  // namespace cairn
