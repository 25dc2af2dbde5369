// SPDX-License-Identifier: Apache-2.0
//
// Gathers rows into columns, joins them and puts them in order.
#include "engine/results/metric_rows.h"

#include <algorithm>
#include <numeric>

namespace cairn {

void MetricRows::begin_row(std::int64_t step, std::int64_t time_ns) {
  steps_.push_back(step);
  times_.push_back(time_ns);
}

std::size_t MetricRows::column(std::string_view name, MetricKind kind) {
  auto& names = by_name_[static_cast<std::size_t>(kind)];
  const auto found = names.find(name);
  if (found != names.end()) return found->second;
  names.emplace(name, columns_.size());
  columns_.emplace_back();
  columns_.back().name = name;
  columns_.back().kind = kind;
  texts_.emplace_back();
  name_bytes_ += name.size();
  return columns_.size() - 1;
}

MetricColumn& MetricRows::at_last_row(std::size_t column) {
  MetricColumn& at = columns_[column];
  if (!at.rows.empty() && at.rows.back() + 1 == steps_.size()) begin_row(steps_.back(), times_.back());
  at.rows.push_back(static_cast<std::uint32_t>(steps_.size() - 1));
  ++points_;
  return at;
}

void MetricRows::add_real(std::size_t column, double value) { at_last_row(column).reals.push_back(value); }

void MetricRows::add_integer(std::size_t column, std::int64_t value) { at_last_row(column).integers.push_back(value); }

void MetricRows::add_text(std::size_t column, std::string_view value) {
  MetricColumn& at = at_last_row(column);
  auto& places = texts_[column].places;
  auto found = places.find(value);
  if (found == places.end()) {
    found = places.emplace(value, static_cast<std::uint32_t>(at.dictionary.size())).first;
    at.dictionary.emplace_back(value);
    text_bytes_ += value.size();
  }
  at.texts.push_back(found->second);
}

void MetricRows::append(const MetricRows& other) {
  const auto first = static_cast<std::uint32_t>(steps_.size());
  steps_.insert(steps_.end(), other.steps_.begin(), other.steps_.end());
  times_.insert(times_.end(), other.times_.begin(), other.times_.end());
  for (const MetricColumn& from : other.columns_) {
    const std::size_t place = column(from.name, from.kind);
    MetricColumn& to = columns_[place];
    for (const std::uint32_t row : from.rows) to.rows.push_back(first + row);
    to.reals.insert(to.reals.end(), from.reals.begin(), from.reals.end());
    to.integers.insert(to.integers.end(), from.integers.begin(), from.integers.end());
    std::vector<std::uint32_t> renamed;
    for (const std::string& text : from.dictionary) {
      const auto [at, is_new] = texts_[place].places.emplace(text, static_cast<std::uint32_t>(to.dictionary.size()));
      if (is_new) {
        to.dictionary.push_back(text);
        text_bytes_ += text.size();
      }
      renamed.push_back(at->second);
    }
    for (const std::uint32_t text : from.texts) to.texts.push_back(renamed[text]);
  }
  points_ += other.points_;
}

void MetricRows::sort_by(const std::vector<std::int64_t>& keys) {
  if (std::is_sorted(keys.begin(), keys.end())) return;
  std::vector<std::uint32_t> order(times_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return keys[a] < keys[b]; });
  std::vector<std::uint32_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<std::uint32_t>(i);
  const auto permute = [](auto& values, const std::vector<std::uint32_t>& by) {
    auto sorted = values;
    for (std::size_t i = 0; i < values.size(); ++i) sorted[i] = values[by[i]];
    values = std::move(sorted);
  };
  permute(steps_, order);
  permute(times_, order);
  for (MetricColumn& column : columns_) {
    for (std::uint32_t& row : column.rows) row = place[row];
    std::vector<std::uint32_t> by(column.rows.size());
    std::iota(by.begin(), by.end(), 0u);
    std::sort(by.begin(), by.end(), [&](auto a, auto b) { return column.rows[a] < column.rows[b]; });
    permute(column.rows, by);
    if (!column.reals.empty()) permute(column.reals, by);
    if (!column.integers.empty()) permute(column.integers, by);
    if (!column.texts.empty()) permute(column.texts, by);
  }
}

}  // namespace cairn
