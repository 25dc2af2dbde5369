// SPDX-License-Identifier: Apache-2.0
//
// How fast noise becomes durable, beside fio's sequential O_DIRECT write of as many bytes on
// the same disk in the same round.
//
// Expected. Each byte of a value of several blocks is digested twice (block, whole) and
// checksummed, 0.2 + 0.2 + 0.05 CPU-s per GB with BLAKE3, and written by the kernel from
// where it lies when that is on a page; else one copy more (0.15 CPU-s per GB). The disk is
// the bound as long as two cores do that faster. The log adds a page for each group of 4 MiB
// and a table of 72 bytes for each block: 0.1 % more bytes.
//
// Scattered ordinary pages make many runs of memory for the device, for fio as for Cairn: each
// line is compared with fio from pages of its kind; memory off a page, which is copied to
// huge ones, with the faster of the two.
//
// Held constant: 2 GiB, handed over with Handover::move, a budget of 256 MiB, a new store
// each time; the clock runs from the first put to the end of sync(). CPU counts all threads.
#include <cstdio>
#include <map>

#include "bench/ingest/ceilings.h"
#include "bench/ingest/measure.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kTotal = 2 * GiB;

using Pages = Noise::Pages;

struct Line {
  const char* name;
  std::size_t value_bytes;
  cairn::DigestKind digest;
  Pages pages;
  std::size_t skew;
  const char* goal;
};

constexpr Line kLines[] = {
    {"64 MiB, blake3", 64 * MiB, cairn::DigestKind::blake3, Pages::huge, 0, "0.90"},
    {"1 MiB, blake3", MiB, cairn::DigestKind::blake3, Pages::huge, 0, "0.75"},
    {"64 MiB, xxh3-128", 64 * MiB, cairn::DigestKind::xxh3_128, Pages::huge, 0, "0.90"},
    {"1 MiB, xxh3-128", MiB, cairn::DigestKind::xxh3_128, Pages::huge, 0, "0.75"},
    {"64 MiB, blake3, ordinary pages", 64 * MiB, cairn::DigestKind::blake3, Pages::ordinary, 0, "0.90"},
    {"1 MiB, blake3, ordinary pages", MiB, cairn::DigestKind::blake3, Pages::ordinary, 0, "0.75"},
    {"64 MiB, blake3, not on a page", 64 * MiB, cairn::DigestKind::blake3, Pages::ordinary, 64, "0.90"},
    {"1 MiB, blake3, not on a page", MiB, cairn::DigestKind::blake3, Pages::ordinary, 64, "0.75"},
};

struct Figures {
  Samples rate, of_fio, cpu, written;
};

void measure(const Setup& setup, const Line& line, Noise& noise, double fio, Figures& figures) {
  cairn::Store store = new_store(setup.folder, 256 * MiB, line.digest);
  const std::uint64_t written = proc_self("io", "write_bytes");
  const double cpu = cpu_seconds();
  const Stopwatch watch;
  for (std::size_t at = 0; at < kTotal; at += line.value_bytes) {
    store.put_async({.bytes = noise.part(at, line.value_bytes), .handover = cairn::Handover::move, .release = [] {}});
  }
  check(store.sync());
  const double seconds = watch.seconds();
  constexpr double kGigabytes = static_cast<double>(kTotal) / 1e9;
  figures.cpu.add((cpu_seconds() - cpu) / kGigabytes);
  figures.written.add(static_cast<double>(proc_self("io", "write_bytes") - written) / static_cast<double>(kTotal));
  figures.rate.add(kGigabytes / seconds);
  figures.of_fio.add(kGigabytes / seconds / fio);
}

}  // namespace

void durable_rate(const Setup& setup) {
  std::map<Pages, Samples> fio;
  std::map<std::string, Figures> figures;
  for (int round = 0; round < setup.rounds; ++round) {
    for (const Line& line : kLines) {
      const Pages ceiling_pages = line.skew > 0 ? Pages::huge : line.pages;
      const double ceiling = fio_write(setup.folder, ceiling_pages);
      fio[ceiling_pages].add(ceiling);
      Noise noise(kTotal, line.skew, line.pages);
      measure(setup, line, noise, ceiling, figures[line.name]);
    }
  }
  head("2 GiB of noise, durable",
       {"values", "GB/s", "of fio's", "goal", "written / payload (goal 1.02)", "CPU-s per GB (goal 0.45)"});
  row({"fio, O_DIRECT, 1 MiB, 8 in flight, huge pages", text("%.2f", fio[Pages::huge].median()), "1", "", "", ""});
  row({"the same, ordinary pages", text("%.2f", fio[Pages::ordinary].median()), "1", "", "", ""});
  for (const Line& line : kLines) {
    const Figures& f = figures[line.name];
    row({line.name, text("%.2f", f.rate.median()), text("%.2f", f.of_fio.median()), line.goal,
         text("%.3f", f.written.median()), text("%.2f", f.cpu.median())});
  }
}

}  // namespace bench
