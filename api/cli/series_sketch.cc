// SPDX-License-Identifier: Apache-2.0
#include "api/cli/series_sketch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "api/cli/format.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kLabelColumns = 13;  // the longest number, a blank and the axis
constexpr std::size_t kDotsAcross = 2, kDotsUp = 4;

// Dots from the lower left, as braille characters.
class Canvas {
 public:
  Canvas(std::size_t columns, std::size_t rows)
      : columns_(columns), cells_(columns * rows), width_(columns * kDotsAcross), height_(rows * kDotsUp) {}

  std::size_t x_of(double share) const { return place(share, width_); }
  std::size_t y_of(double share) const { return place(share, height_); }

  void bar(std::size_t x, std::size_t low, std::size_t high) {
    for (std::size_t y = low; y <= high; ++y) dot(x, y);
  }
  // Between the columns of its ends, with no hole where it is steep.
  void line(std::size_t from_x, std::size_t from_y, std::size_t to_x, std::size_t to_y) {
    if (from_x >= to_x) return bar(to_x, std::min(from_y, to_y), std::max(from_y, to_y));
    const auto height_at = [&](std::size_t x) {
      const double way = static_cast<double>(x - from_x) / static_cast<double>(to_x - from_x);
      return static_cast<double>(from_y) + way * (static_cast<double>(to_y) - static_cast<double>(from_y));
    };
    for (std::size_t x = from_x; x < to_x; ++x) {
      const auto [low, high] = std::minmax(height_at(x), height_at(x + 1));
      bar(x, static_cast<std::size_t>(std::lround(low)), static_cast<std::size_t>(std::lround(high)));
    }
  }

  // From the top. UTF-8.
  std::string row(std::size_t at) const {
    std::string text;
    for (std::size_t column = 0; column < columns_; ++column) {
      const unsigned char dots = cells_[at * columns_ + column];
      text += '\xe2';  // U+2800 and the dots
      text += static_cast<char>(0xA0 | dots >> 6);
      text += static_cast<char>(0x80 | (dots & 0x3F));
    }
    return text;
  }

 private:
  static std::size_t place(double share, std::size_t dots) {
    return std::min(dots - 1, static_cast<std::size_t>(share * static_cast<double>(dots - 1) + 0.5));
  }
  void dot(std::size_t x, std::size_t y) {
    // The bits of a character's dots, from the top: https://www.unicode.org/charts/PDF/U2800.pdf
    constexpr std::array<std::array<unsigned char, kDotsUp>, kDotsAcross> kBits = {
        {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};
    const std::size_t from_top = height_ - 1 - y;
    cells_[from_top / kDotsUp * columns_ + x / kDotsAcross] |= kBits[x % kDotsAcross][from_top % kDotsUp];
  }

  const std::size_t columns_;
  std::vector<unsigned char> cells_;
  const std::size_t width_, height_;
};

void draw(const PlotSeries& series, const PlotRange& range, Canvas& canvas) {
  const MetricBucket* before = nullptr;
  for (const MetricBucket& bucket : series.buckets) {
    if (bucket.nans == bucket.count) {
      before = nullptr;
      continue;
    }
    const std::size_t first = canvas.x_of(range.across(bucket.first_step));
    const std::size_t last = canvas.x_of(range.across(bucket.last_step));
    const std::size_t low = canvas.y_of(range.up(bucket.min)), high = canvas.y_of(range.up(bucket.max));
    for (std::size_t x = first; x <= last; ++x) canvas.bar(x, low, high);
    if (before != nullptr) {
      canvas.line(canvas.x_of(range.across(before->last_step)), canvas.y_of(range.up(before->last)), first,
                  canvas.y_of(range.up(bucket.first)));
    }
    before = &bucket;
  }
}

SketchSize canvas_size(const SketchSize& size) {
  // A title, the axis and its labels take three rows.
  return {.columns = std::max<std::size_t>(size.columns, kLabelColumns + 8) - kLabelColumns,
          .rows = std::max<std::size_t>(size.rows, 5) - 3};
}

std::string title_of(const PlotSeries& series) {
  std::string title = printable(series.name) + ": " + count_text(series.count, "point", "points");
  if (series.nans > 0) title += ", " + count_text(series.nans) + " of them NaN";
  if (series.has_numbers) {
    title += fmt::format(", from {} to {}", tick_text(series.min, series.max - series.min),
                         tick_text(series.max, series.max - series.min));
  }
  return title;
}

}  // namespace

std::size_t sketch_buckets(const SketchSize& size) { return canvas_size(size).columns * kDotsAcross; }

std::string sketch_of(const PlotSeries& series, const SketchSize& size) {
  const SketchSize inner = canvas_size(size);
  const PlotRange range = plot_range_of(std::span(&series, 1));
  Canvas canvas(inner.columns, inner.rows);
  draw(series, range, canvas);
  std::string text = title_of(series) + "\n";
  for (std::size_t row = 0; row < inner.rows; ++row) {
    std::string label;
    if (series.has_numbers && row == 0) label = tick_text(range.high, range.high - range.low);
    if (series.has_numbers && row + 1 == inner.rows) label = tick_text(range.low, range.high - range.low);
    text += fmt::format("{:>{}} ┤{}\n", label, kLabelColumns - 2, canvas.row(row));
  }
  std::string axis;
  for (std::size_t i = 0; i < inner.columns; ++i) axis += "─";
  text += fmt::format("{:>{}} └{}\n", "", kLabelColumns - 2, axis);
  const std::string first = fmt::format("step {:.15g}", range.first_step);
  text += fmt::format("{:>{}}{}{:>{}.15g}\n", "", kLabelColumns, first, range.last_step,
                      std::max(inner.columns, first.size() + 1) - first.size());
  return text;
}

}  // namespace cairn::cli
