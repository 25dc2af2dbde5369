// SPDX-License-Identifier: Apache-2.0
//
// What the disk allows, measured in the run that is compared with it.
#pragma once

#include <string>

#include "bench/ingest/measure.h"

namespace bench {

// GB/s of fio's sequential O_DIRECT write of 2 GiB (bench/disk_ceiling.sh), from such pages.
double fio_write(const std::string& folder, Noise::Pages pages);

// The same of its read of 1 GiB, into huge pages.
double fio_read(const std::string& folder);

// Seconds for reading a file in order, 4 MiB at a time, with these flags (O_DIRECT: around the page cache).
double read_seconds(const std::string& path, int flags);

// Syncs per second of one thread that overwrites a page of a written file each time.
double sync_rate(const std::string& folder);

}  // namespace bench
