// SPDX-License-Identifier: Apache-2.0
//
// cairn init: makes a store.
#include <fmt/format.h>

#include <memory>

#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string folder, digest = "blake3", block_size = "1MiB", segment_size = "256MiB";
};

Result<int> run_init(Session& session, const Options& options) {
  const std::string folder = options.folder.empty() ? session.flags().store : options.folder;
  if (folder.empty()) {
    return Error{.code = ErrorCode::invalid_argument, .message = "where? Give DIR or --store DIR, or set CAIRN_STORE"};
  }
  CreateOptions create;
  CAIRN_TRY(create.digest, parse_digest_kind(options.digest));
  CAIRN_TRY(const std::uint64_t block_bytes, parse_size(options.block_size));
  if (block_bytes > UINT32_MAX) {
    return Error{.code = ErrorCode::invalid_argument,
                 .message = "--block-size " + options.block_size + " is too large"};
  }
  create.block_bytes = static_cast<std::uint32_t>(block_bytes);
  CAIRN_TRY(create.segment_bytes, parse_size(options.segment_size));
  CAIRN_TRY(Store store, Store::create(folder, create));
  const StoreInfo info = store.info();
  CAIRN_CHECK(store.close());
  if (session.out().json()) {
    session.summary({{"store", info.path},
                     {"digest", digest_kind_name(info.digest)},
                     {"block_bytes", info.block_bytes},
                     {"segment_bytes", info.segment_bytes},
                     {"format_version", info.format_version}});
  } else {
    session.out().report(fmt::format("Created a store in {}: {} digests, blocks of {}, log files of {}.\n",
                                     session.out().name(info.path), digest_kind_name(info.digest),
                                     size_text(info.block_bytes), size_text(info.segment_bytes)));
  }
  return kExitDone;
}

Run declare_init(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("DIR", given->folder, "The folder, missing or empty; default: the store given by --store",
                   Need::optional);
  options.option("--digest", "KIND", given->digest, "blake3, or xxh3-128 for data nobody would forge");
  options.option("--block-size", "SIZE", given->block_size, "Unit of deduplication: a power of two, 64KiB to 16MiB");
  options.option("--segment-size", "SIZE", given->segment_size, "Size of one file of the log, up to 16GiB");
  return [given](Session& session) { return run_init(session, *given); };
}

}  // namespace

constinit const Verb kInit{.name = "init",
                           .summary = "Make a store in an empty folder",
                           .examples =
                               "  cairn init /data/models\n"
                               "  cairn --store /data/models init --digest xxh3-128 --block-size 256KiB\n",
                           .lines = false,
                           .declare = declare_init};

}  // namespace cairn::cli
