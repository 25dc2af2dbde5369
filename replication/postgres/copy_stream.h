// SPDX-License-Identifier: Apache-2.0
//
// COPY in binary: a header, rows as the number of their cells and the cells, and a trailer, in parts of moderate size.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "replication/postgres/cells.h"

namespace cairn::postgres {

// A row as it is in the stream.
inline void append_copy_row(std::string& out, std::size_t cells, std::string_view bytes) {
  out += static_cast<char>(cells >> 8);
  out += static_cast<char>(cells);
  out += bytes;
}

// What Connection::copy_in() asks for, of rows that `next_rows` gives until it gives nothing.
template <class NextRows>
class CopyStream {
 public:
  explicit CopyStream(NextRows next_rows) : next_rows_(std::move(next_rows)) {}

  std::string_view operator()() {
    static constexpr std::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    static constexpr std::string_view kTrailer = "\377\377";
    if (!begun_) {
      begun_ = true;
      return kHeader;
    }
    if (ended_) return {};
    const std::string_view rows = next_rows_();
    if (!rows.empty()) return rows;
    ended_ = true;
    return kTrailer;
  }

 private:
  NextRows next_rows_;
  bool begun_ = false, ended_ = false;
};

}  // namespace cairn::postgres
