// SPDX-License-Identifier: Apache-2.0
#include "engine/log/live_position.h"

#include <array>

#include "engine/base/endian.h"
#include "engine/content/digester.h"

namespace cairn {
namespace {

// magic, store tag, segment, offset, checksum of what comes before it.
constexpr std::uint64_t kMagic = 0x006576696c6e7263;  // "crnlive\0"
constexpr std::size_t kFields = 4, kBytes = (kFields + 1) * sizeof(std::uint64_t);

}  // namespace

std::string live_position_path(const std::string& log_folder) { return log_folder + "/live"; }

void LivePositionWriter::publish(const LivePosition& position) {
  if (!file_) {
    auto opened = fs_.open(path_, {.write = true, .create = true});
    if (!opened.ok()) return;
    file_ = std::move(opened).value();
  }
  std::array<std::byte, kBytes> bytes{};
  const std::array<std::uint64_t, kFields> fields{kMagic, store_tag_, position.segment, position.offset};
  for (std::size_t i = 0; i < kFields; ++i) store_le(bytes.data() + i * sizeof(std::uint64_t), fields[i]);
  store_le(bytes.data() + kFields * sizeof(std::uint64_t),
           checksum_of(Bytes(bytes).first(kFields * sizeof(std::uint64_t))));
  static_cast<void>(file_->write_at(0, bytes).ok());  // a hint
}

std::optional<LivePosition> LivePositionReader::read() {
  if (!file_) {
    auto opened = fs_.open(path_, {});
    if (!opened.ok()) return std::nullopt;
    file_ = std::move(opened).value();
  }
  std::array<std::byte, kBytes> bytes{};
  const auto got = file_->read_at(0, bytes);
  if (!got.ok() || *got < kBytes) return std::nullopt;
  const auto field = [&](std::size_t i) { return load_le<std::uint64_t>(bytes.data() + i * sizeof(std::uint64_t)); };
  // Read while it was written, perhaps: the next read sees it whole.
  if (field(kFields) != checksum_of(Bytes(bytes).first(kFields * sizeof(std::uint64_t)))) return std::nullopt;
  if (field(0) != kMagic || field(1) != store_tag_ || field(2) > UINT32_MAX) return std::nullopt;
  return LivePosition{.segment = static_cast<std::uint32_t>(field(2)), .offset = field(3)};
}

}  // namespace cairn
