// SPDX-License-Identifier: Apache-2.0
#include "api/cli/series_svg.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <vector>

#include "api/cli/answers.h"

namespace cairn::cli {
namespace {

constexpr double kLeft = 84, kRight = 20, kTop = 34, kBottom = 48, kLegendRow = 18;
constexpr double kLeastHeight = 40;  // of what is drawn
// Told apart by most eyes: https://jfly.uni-koeln.de/color/. Who comes after them has dashes.
constexpr std::array<const char*, 7> kColors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                "#e69f00", "#56b4e9", "#6a51a3"};
constexpr std::array<const char*, 5> kDashes = {"", "6 3", "2 3", "8 3 2 3", "1 5"};

// What XML has no way to hold, not even escaped, is shown as bytes or replaced.
std::string escaped(std::string_view text) {
  std::string out;
  const std::string safe = printable(text);
  for (std::size_t at = 0; at < safe.size(); ++at) {
    const std::string_view rest = std::string_view(safe).substr(at);
    if (rest.starts_with("\xef\xbf\xbe") || rest.starts_with("\xef\xbf\xbf")) {
      out += "\xef\xbf\xbd";
      at += 2;
      continue;
    }
    switch (safe[at]) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += safe[at];
    }
  }
  return out;
}

// At most so many characters.
std::string shortened(std::string_view text, std::size_t characters) {
  std::string whole = printable(text);
  if (display_width(whole) <= characters) return whole;
  while (display_width(whole) > characters) whole.pop_back();
  while (!whole.empty() && (static_cast<unsigned char>(whole.back()) & 0xC0) == 0x80) whole.pop_back();
  if (!whole.empty() && static_cast<unsigned char>(whole.back()) >= 0x80) whole.pop_back();
  return whole + "…";
}

class Picture {
 public:
  Picture(const SvgSize& size, const PlotRange& range, std::size_t legend_rows)
      : range_(range),
        width_(static_cast<double>(size.width)),
        height_(static_cast<double>(size.height)),
        top_(kTop + kLegendRow * static_cast<double>(legend_rows)) {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
        "font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n<rect width=\"{0}\" height=\"{1}\" "
        "fill=\"#fff\"/>\n",
        size.width, size.height);
  }

  bool has_room() const { return width_ - kLeft - kRight >= kLeastHeight && bottom() - top_ >= kLeastHeight; }

  void title(std::string_view title) {
    text_ += fmt::format("<text x=\"{:.0f}\" y=\"20\" font-size=\"14\">{}<title>{}</title></text>\n", kLeft,
                         escaped(shortened(title, letters())), escaped(title));
  }

  void axes() {
    const std::vector<double> values = ticks_of(range_.low, range_.high, 8);
    for (const double tick : values) {
      const double at = y(tick);
      text_ += fmt::format(
          "<path d=\"M{0:.1f} {1:.2f}H{2:.1f}\" stroke=\"#ddd\"/><text x=\"{3:.1f}\" y=\"{4:.2f}\" "
          "text-anchor=\"end\">{5}</text>\n",
          kLeft, at, width_ - kRight, kLeft - 6, at + 4, tick_text(tick, values[1] - values[0]));
    }
    const std::vector<double> steps = ticks_of(range_.first_step, range_.last_step, 8);
    for (const double tick : steps) {
      const double share = (tick - range_.first_step) / (range_.last_step - range_.first_step);
      text_ += fmt::format(
          "<path d=\"M{0:.2f} {1:.1f}v5\" stroke=\"#333\"/><text x=\"{0:.2f}\" y=\"{2:.1f}\" "
          "text-anchor=\"middle\">{3}</text>\n",
          kLeft + share * (width_ - kLeft - kRight), bottom(), bottom() + 18, tick_text(tick, steps[1] - steps[0]));
    }
    text_ += fmt::format(
        "<path d=\"M{0:.1f} {1:.1f}V{2:.1f}H{3:.1f}\" fill=\"none\" stroke=\"#333\"/><text x=\"{4:.1f}\" "
        "y=\"{5:.1f}\" text-anchor=\"middle\">step</text>\n",
        kLeft, top_, bottom(), width_ - kRight, (kLeft + width_ - kRight) / 2, bottom() + 36);
  }

  void series(const PlotSeries& series, std::size_t number) {
    const char* const color = kColors[number % kColors.size()];
    const std::string dash = fmt::format(" stroke-dasharray=\"{}\"", kDashes[number / kColors.size() % kDashes.size()]);
    const std::string stroke =
        fmt::format(" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"{}", color, number < kColors.size() ? "" : dash);
    text_ += "<g>\n";
    legend(series, number, stroke);
    for (std::size_t first = 0; first < series.buckets.size();) {
      std::size_t end = first;
      while (end < series.buckets.size() && series.buckets[end].nans != series.buckets[end].count) ++end;
      if (end > first) part(std::span(series.buckets).subspan(first, end - first), color, stroke);
      first = end + 1;
    }
    text_ += "</g>\n";
  }

  std::string finished() && { return std::move(text_) + "</svg>\n"; }

 private:
  double bottom() const { return height_ - kBottom; }
  double x(std::int64_t step) const { return kLeft + range_.across(step) * (width_ - kLeft - kRight); }
  double y(double value) const { return bottom() - range_.up(value) * (bottom() - top_); }
  std::size_t letters() const { return static_cast<std::size_t>(std::max(8.0, (width_ - kLeft - kRight) / 8)); }

  void legend(const PlotSeries& series, std::size_t number, const std::string& stroke) {
    const double at = kTop + kLegendRow * static_cast<double>(number);
    const double apart = series.max - series.min;
    std::string said = series.has_numbers
                           ? fmt::format(" ({} to {})", tick_text(series.min, apart), tick_text(series.max, apart))
                           : std::string(" (no numbers)");
    if (series.nans > 0) said += fmt::format(", {} of {} NaN", series.nans, series.count);
    text_ +=
        fmt::format("<path d=\"M{:.1f} {:.1f}h18\"{}/><text x=\"{:.1f}\" y=\"{:.1f}\">{}{}<title>{}</title></text>\n",
                    kLeft, at, stroke, kLeft + 26, at + 4, escaped(shortened(series.name, letters() / 2)),
                    escaped(said), escaped(series.name));
  }

  // Neighbours of which each has a number.
  void part(std::span<const MetricBucket> buckets, const char* color, const std::string& stroke) {
    std::string above, below, means;
    for (const MetricBucket& bucket : buckets) {
      const double from = x(bucket.first_step), to = x(bucket.last_step);
      above += fmt::format("{}{:.2f} {:.2f}L{:.2f} {:.2f}", above.empty() ? "M" : "L", from, y(bucket.max), to,
                           y(bucket.max));
      below.insert(0, fmt::format("L{:.2f} {:.2f}L{:.2f} {:.2f}", to, y(bucket.min), from, y(bucket.min)));
    }
    // The band has an edge, so that a single peak is seen however narrow it is.
    text_ += fmt::format(
        "<path class=\"band\" d=\"{0}{1}Z\" fill=\"{2}\" fill-opacity=\"0.2\" stroke=\"{2}\" stroke-opacity=\"0.4\" "
        "stroke-width=\"0.7\"/>\n",
        above, below, color);
    bool is_drawn = false;
    for (const MetricBucket& bucket : buckets) {
      if (!std::isfinite(bucket.mean)) {
        is_drawn = false;
        continue;
      }
      const double at = (x(bucket.first_step) + x(bucket.last_step)) / 2;
      means += fmt::format("{}{:.2f} {:.2f}", is_drawn ? "L" : "M", at, y(bucket.mean));
      is_drawn = true;
    }
    if (buckets.size() == 1 && is_drawn) {
      text_ += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"2\" fill=\"{}\"/>\n",
                           (x(buckets[0].first_step) + x(buckets[0].last_step)) / 2, y(buckets[0].mean), color);
    } else if (!means.empty()) {
      text_ += fmt::format("<path class=\"mean\" d=\"{}\"{}/>\n", means, stroke);
    }
  }

  const PlotRange range_;
  const double width_, height_, top_;
  std::string text_;
};

}  // namespace

std::size_t svg_buckets(const SvgSize& size) {
  return std::max<std::size_t>(size.width, static_cast<std::size_t>(kLeft + kRight) + 1) -
         static_cast<std::size_t>(kLeft + kRight);
}

Result<std::string> svg_of(std::string_view title, std::span<const PlotSeries> all, const SvgSize& size) {
  Picture picture(size, plot_range_of(all), all.size());
  if (!picture.has_room()) {
    return wrong_usage(fmt::format("{} x {} leaves no room beside the axes and {}", size.width, size.height,
                                   count_text(all.size(), "name", "names")));
  }
  picture.title(title);
  picture.axes();
  for (std::size_t i = 0; i < all.size(); ++i) picture.series(all[i], i);
  return std::move(picture).finished();
}

}  // namespace cairn::cli
