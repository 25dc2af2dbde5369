// SPDX-License-Identifier: Apache-2.0
//
// Lines of comma-separated values (RFC 4180) as rows of metrics.
#include <charconv>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/base/errors.h"
#include "engine/results/metric_export.h"
#include "engine/results/metric_import.h"

namespace cairn {
namespace {

struct Field {
  std::string text;
  bool is_quoted = false;
};

Error wrong_line(std::uint64_t line, std::string_view why) {
  return make_error(ErrorCode::invalid_argument, "line " + std::to_string(line) + " of the CSV " + std::string(why));
}

class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
  }

  std::uint64_t line() const noexcept { return line_; }

  // The next record; nothing at the end. Empty lines are passed over.
  Result<std::optional<std::vector<Field>>> next() {
    while (!rest_.empty() && (rest_[0] == '\n' || rest_[0] == '\r')) take_line_end();
    if (rest_.empty()) return std::optional<std::vector<Field>>();
    record_line_ = line_;
    std::vector<Field> fields;
    for (;;) {
      CAIRN_TRY(Field field, next_field());
      fields.push_back(std::move(field));
      if (rest_.empty() || rest_[0] != ',') break;
      rest_.remove_prefix(1);
    }
    take_line_end();
    return std::optional(std::move(fields));
  }
  Error wrong(std::string_view why) const { return wrong_line(record_line_, why); }

 private:
  Result<Field> next_field() {
    Field field;
    if (rest_.empty() || rest_[0] != '"') {
      const std::size_t end = std::min(rest_.find_first_of(",\r\n"), rest_.size());
      field.text = rest_.substr(0, end);
      rest_.remove_prefix(end);
      return field;
    }
    field.is_quoted = true;
    for (;;) {
      rest_.remove_prefix(1);
      const std::size_t end = rest_.find('"');
      if (end == std::string_view::npos) return wrong("has a quote that nothing closes");
      for (const char c : rest_.substr(0, end)) line_ += c == '\n' ? 1 : 0;
      field.text += rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      if (rest_.empty() || rest_[0] != '"') break;
      field.text += '"';
    }
    if (rest_.empty() || rest_[0] == ',' || rest_[0] == '\r' || rest_[0] == '\n') return field;
    return wrong("goes on behind a closing quote");
  }

  void take_line_end() {
    if (rest_.empty()) return;
    ++line_;
    rest_.remove_prefix(rest_.starts_with("\r\n") ? 2 : 1);
  }

  std::string_view rest_;
  std::uint64_t line_ = 1;
  std::uint64_t record_line_ = 1;
};

template <class T>
std::optional<T> number_of(std::string_view text) {
  T value{};
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

MetricValue value_of(const std::string& text) {
  if (const auto integer = number_of<std::int64_t>(text)) return *integer;
  if (const auto real = number_of<double>(text)) return *real;
  return text;
}

}  // namespace

Result<std::uint64_t> import_csv(std::string_view text, std::string_view run, MetricLog& log) {
  CsvReader reader(text);
  CAIRN_TRY(const auto header, reader.next());
  if (!header) return wrong_line(1, "is missing: there is no header");
  std::unordered_map<std::string, std::uint32_t> runs;
  std::uint64_t rows = 0;
  for (;;) {
    CAIRN_TRY(const auto record, reader.next());
    if (!record) return rows;
    if (record->size() != header->size()) return reader.wrong("does not have as many fields as the header");
    std::string row_run(run);
    auto step = static_cast<std::int64_t>(rows);
    std::optional<std::int64_t> time_ns;
    std::vector<NamedMetric> values;
    for (std::size_t i = 0; i < record->size(); ++i) {
      const std::string& name = (*header)[i].text;
      const Field& field = (*record)[i];
      if (field.text.empty() && !field.is_quoted) continue;
      if (name == "run") {
        row_run = field.text;
      } else if (name == "step" || name == "time_ns") {
        const auto number = number_of<std::int64_t>(field.text);
        if (!number) return reader.wrong("has no integer as its " + name);
        if (name == "step") step = *number;
        if (name == "time_ns") time_ns = *number;
      } else {
        values.push_back({name, value_of(field.text)});
      }
    }
    if (!values.empty()) {
      auto known = runs.find(row_run);
      if (known == runs.end()) {
        CAIRN_TRY(const std::uint32_t id, log.run(row_run));
        known = runs.emplace(row_run, id).first;
      }
      if (Status status = log_all(log, known->second, step, values, time_ns); !status.ok()) {
        return std::move(status).error().with_context("line " + std::to_string(reader.line()) + " of the CSV");
      }
    }
    ++rows;
  }
}

}  // namespace cairn
