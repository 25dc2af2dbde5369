// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/cells.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "replication/postgres/errors.h"
#include "replication/postgres/escaped.h"

namespace cairn::postgres {
namespace {

// Of PostgreSQL's types; they never change.
constexpr std::uint32_t kInt8 = 20, kText = 25, kFloat8 = 701;
constexpr std::size_t kInt4Bytes = 4, kInt8Bytes = 8;
constexpr std::size_t kArrayHeadBytes = 5 * kInt4Bytes;
constexpr char kJsonbVersion = 1;

void append_be(std::string& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) out += static_cast<char>(value >> (8 * i));
}
std::uint64_t load_be(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}
void store_be4(std::string& out, std::size_t at, std::size_t value) {
  for (std::size_t i = 0; i < kInt4Bytes; ++i) out[at + i] = static_cast<char>(value >> (24 - 8 * i));
}

// JSON has no word for what is no finite number, and numeric no negative zero: texts, which float8 reads.
nlohmann::json json_of(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (value == 0 && std::signbit(value)) return "-0";
  return value;
}
std::optional<double> number_of(const nlohmann::json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const auto& word = value.get_ref<const std::string&>();
  if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (word == "Infinity") return std::numeric_limits<double>::infinity();
  if (word == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (word == "-0") return -0.0;
  return std::nullopt;
}

}  // namespace

void CellWriter::begin(std::size_t size) {
  ++cells_;
  append_be(bytes_, size, kInt4Bytes);
}
std::size_t CellWriter::begin_unknown() {
  begin(0);
  return bytes_.size();
}
void CellWriter::end_unknown(std::size_t at) {
  const std::size_t size = bytes_.size() - at;
  if (size > kCellBytesMax) {
    bytes_.resize(at);
    refuse("a text of " + std::to_string(size) + " bytes is larger than PostgreSQL takes");
    return;
  }
  store_be4(bytes_, at - kInt4Bytes, size);
}
void CellWriter::refuse(std::string why) {
  if (refused_.empty()) refused_ = std::move(why);
}
Status CellWriter::check() const {
  return refused_.empty() ? Status() : Status(make_error(ErrorCode::invalid_argument, refused_));
}

CellWriter& CellWriter::append(const CellWriter& other) {
  bytes_ += other.bytes_;
  cells_ += other.cells_;
  if (!other.refused_.empty()) refuse(other.refused_);
  return *this;
}

CellWriter& CellWriter::null() {
  begin(std::numeric_limits<std::uint32_t>::max());
  return *this;
}
CellWriter& CellWriter::boolean(bool value) {
  begin(1);
  bytes_ += static_cast<char>(value);
  return *this;
}
CellWriter& CellWriter::int8(std::int64_t value) {
  begin(kInt8Bytes);
  append_be(bytes_, static_cast<std::uint64_t>(value), kInt8Bytes);
  return *this;
}
CellWriter& CellWriter::count(std::uint64_t value) {
  if (value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    refuse(std::to_string(value) + " is a larger number than PostgreSQL has");
  }
  return int8(static_cast<std::int64_t>(value));
}
CellWriter& CellWriter::float8(double value) { return int8(std::bit_cast<std::int64_t>(value)); }
CellWriter& CellWriter::bytea(std::span<const std::byte> value) {
  if (value.size() > kCellBytesMax) {
    refuse(std::to_string(value.size()) + " bytes are more than PostgreSQL takes in one value");
    return null();
  }
  begin(value.size());
  bytes_.append(reinterpret_cast<const char*>(value.data()), value.size());
  return *this;
}
CellWriter& CellWriter::uuid(const Uuid& value) { return bytea(value); }
CellWriter& CellWriter::text(std::string_view value) {
  if (value.size() > kCellBytesMax) {
    refuse("a text of " + std::to_string(value.size()) + " bytes is larger than PostgreSQL takes");
    return null();
  }
  const std::size_t at = begin_unknown();
  append_escaped(bytes_, value);
  end_unknown(at);
  return *this;
}
CellWriter& CellWriter::jsonb(std::string_view value) {
  if (value.empty() || !fits_jsonb(value)) return null();
  begin(value.size() + 1);
  bytes_ += kJsonbVersion;
  bytes_ += value;
  return *this;
}
CellWriter& CellWriter::numbers_jsonb(const std::map<std::string, double>& values) {
  auto object = nlohmann::json::object();
  for (const auto& [name, value] : values) object[escaped(name)] = json_of(value);
  return jsonb(object.dump());
}
CellWriter& CellWriter::texts_jsonb(const std::map<std::string, std::string>& values) {
  auto object = nlohmann::json::object();
  for (const auto& [name, value] : values) object[escaped(name)] = escaped(value);
  return jsonb(object.dump());
}

void CellWriter::begin_array(std::size_t size, std::uint32_t type) {
  append_be(bytes_, size == 0 ? 0 : 1, kInt4Bytes);  // dimensions
  append_be(bytes_, 0, kInt4Bytes);                  // without nulls
  append_be(bytes_, type, kInt4Bytes);
  if (size == 0) return;
  append_be(bytes_, size, kInt4Bytes);
  append_be(bytes_, 1, kInt4Bytes);  // the first one's number
}
CellWriter& CellWriter::int8s(std::span<const std::int64_t> values) {
  if (values.size() > kCellBytesMax / (kInt4Bytes + kInt8Bytes)) {
    refuse(std::to_string(values.size()) + " numbers are more than PostgreSQL takes in one value");
    return null();
  }
  const std::size_t at = begin_unknown();
  begin_array(values.size(), kInt8);
  for (const std::int64_t value : values) {
    append_be(bytes_, kInt8Bytes, kInt4Bytes);
    append_be(bytes_, static_cast<std::uint64_t>(value), kInt8Bytes);
  }
  end_unknown(at);
  return *this;
}
CellWriter& CellWriter::float8s(std::span<const double> values) {
  if (values.size() > kCellBytesMax / (kInt4Bytes + kInt8Bytes)) {
    refuse(std::to_string(values.size()) + " numbers are more than PostgreSQL takes in one value");
    return null();
  }
  const std::size_t at = begin_unknown();
  begin_array(values.size(), kFloat8);
  for (const double value : values) {
    append_be(bytes_, kInt8Bytes, kInt4Bytes);
    append_be(bytes_, std::bit_cast<std::uint64_t>(value), kInt8Bytes);
  }
  end_unknown(at);
  return *this;
}
CellWriter& CellWriter::texts(std::span<const std::string> values) {
  const std::size_t at = begin_unknown();
  begin_array(values.size(), kText);
  for (const std::string& value : values) {
    const std::size_t size_at = bytes_.size();
    append_be(bytes_, 0, kInt4Bytes);
    append_escaped(bytes_, value);
    store_be4(bytes_, size_at, bytes_.size() - size_at - kInt4Bytes);
    if (bytes_.size() - at > kCellBytesMax) break;
  }
  end_unknown(at);
  return *this;
}

void CellReader::refuse(std::string_view why) {
  if (refused_.empty()) refused_ = "column " + std::to_string(next_) + " " + std::string(why);
}
Status CellReader::check() const {
  return refused_.empty() ? Status() : Status(make_error(ErrorCode::corruption, "a row of PostgreSQL: " + refused_));
}

std::string_view CellReader::take() {
  const std::size_t cell = next_++;
  if (cell >= cells_) {
    refuse("is missing");
    return {};
  }
  const Cell value = at_(cell);
  if (!value) refuse("is null");
  return value.value_or(std::string_view());
}
std::string_view CellReader::take(std::size_t size) {
  static constexpr char kZeros[16] = {};
  const std::string_view bytes = take();
  if (bytes.size() == size) return bytes;
  refuse("has another size than its type");
  return std::string_view(kZeros, sizeof kZeros).substr(0, size);
}

bool CellReader::boolean() { return take(1)[0] != 0; }
std::int64_t CellReader::int8() { return static_cast<std::int64_t>(load_be(take(kInt8Bytes))); }
std::uint64_t CellReader::count() {
  const std::int64_t value = int8();
  if (value < 0) refuse("is negative");
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}
double CellReader::float8() { return std::bit_cast<double>(int8()); }
std::vector<std::byte> CellReader::bytea() {
  const auto bytes = std::as_bytes(std::span(take()));
  return {bytes.begin(), bytes.end()};
}
Uuid CellReader::uuid() {
  Uuid uuid{};
  std::ranges::copy(std::as_bytes(std::span(take(uuid.size()))), uuid.begin());
  return uuid;
}
std::string CellReader::raw() { return std::string(take()); }
std::string CellReader::text() {
  auto bytes = unescaped(take());
  if (!bytes) refuse("is no text that Cairn wrote");
  return std::move(bytes).value_or(std::string());
}

namespace {

// Members of an object, each by `read`; false when it is something else.
template <class Read>
bool for_each_member(std::string_view cell, const Read& read) {
  if (cell.empty() || cell.front() != kJsonbVersion) return false;
  const auto object = nlohmann::json::parse(cell.substr(1), nullptr, false);
  if (!object.is_object()) return false;
  for (const auto& [name, value] : object.items()) {
    const auto plain_name = unescaped(name);
    if (!plain_name || !read(*plain_name, value)) return false;
  }
  return true;
}

}  // namespace

std::map<std::string, double> CellReader::numbers_jsonb() {
  std::map<std::string, double> values;
  const bool fine = for_each_member(take(), [&](const std::string& name, const nlohmann::json& value) {
    const auto number = number_of(value);
    if (number) values.emplace(name, *number);
    return number.has_value();
  });
  if (!fine) refuse("is no object of numbers");
  return values;
}
std::map<std::string, std::string> CellReader::texts_jsonb() {
  std::map<std::string, std::string> values;
  const bool fine = for_each_member(take(), [&](const std::string& name, const nlohmann::json& value) {
    auto text = value.is_string() ? unescaped(value.get_ref<const std::string&>()) : std::nullopt;
    if (text) values.emplace(name, *std::move(text));
    return values.contains(name);
  });
  if (!fine) refuse("is no object of texts");
  return values;
}

std::vector<std::string_view> CellReader::array(std::uint32_t type) {
  const std::string_view cell = take();
  const auto four = [&](std::size_t number) { return load_be(cell.substr(number * kInt4Bytes, kInt4Bytes)); };
  if (cell.size() == 3 * kInt4Bytes && four(0) == 0 && four(2) == type) return {};
  std::vector<std::string_view> items;
  if (cell.size() < kArrayHeadBytes || four(0) != 1 || four(2) != type || four(3) > cell.size() / kInt4Bytes) {
    refuse("is no such array");
    return items;
  }
  std::string_view rest = cell.substr(kArrayHeadBytes);
  for (std::uint64_t i = 0, count = four(3); i < count; ++i) {
    const std::uint64_t size = rest.size() < kInt4Bytes ? rest.size() : load_be(rest.substr(0, kInt4Bytes));
    if (rest.size() < kInt4Bytes || size > rest.size() - kInt4Bytes) {
      refuse("is an array that ends early");
      return items;
    }
    items.push_back(rest.substr(kInt4Bytes, size));
    rest.remove_prefix(kInt4Bytes + size);
  }
  return items;
}
std::vector<std::int64_t> CellReader::int8s() {
  std::vector<std::int64_t> values;
  for (const std::string_view item : array(kInt8)) {
    if (item.size() != kInt8Bytes) refuse("has an item of another size");
    values.push_back(static_cast<std::int64_t>(load_be(item)));
  }
  return values;
}
std::vector<double> CellReader::float8s() {
  std::vector<double> values;
  for (const std::string_view item : array(kFloat8)) {
    if (item.size() != kInt8Bytes) refuse("has an item of another size");
    values.push_back(std::bit_cast<double>(load_be(item)));
  }
  return values;
}
std::vector<std::string> CellReader::texts() {
  std::vector<std::string> values;
  for (const std::string_view item : array(kText)) {
    auto bytes = unescaped(item);
    if (!bytes) refuse("has an item that Cairn did not write");
    values.push_back(std::move(bytes).value_or(std::string()));
  }
  return values;
}

}  // namespace cairn::postgres
