// SPDX-License-Identifier: Apache-2.0
//
// Artifacts: named files and bytes in S3-compatible storage, as they are. No store is needed, and anything else that
// speaks S3 reads and writes them too: an artifact is one object, whose key is the place's prefix, '/' and its name.
//
// Credentials come from where Amazon's own tools look for them: the environment, ~/.aws, the container's or the
// machine's metadata service, each time they are needed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cairn/progress.h"
#include "cairn/result.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

class ArtifactBucket;
class Store;

// Where artifacts are.
struct ArtifactPlace {
  std::string url;  // "s3://bucket" or "s3://bucket/prefix"
  // "https://host:port"; empty: Amazon's own for the region.
  std::string endpoint = {};
  // Empty: what the environment and ~/.aws say, or else us-east-1.
  std::string region = {};
  // Certificates in PEM to be trusted instead of the platform's; empty: those.
  std::string ca_file = {};
};

struct ArtifactsOptions {
  // Of uploads in parts and of reading in ranges; 5 MiB to 5 GiB. What has no more goes in one request. Larger ones are
  // fewer requests, and what fails is sent again from its beginning.
  std::uint64_t part_bytes = std::uint64_t{8} << 20;
  // Parts or ranges of one call under way at the same time, each of them in memory.
  unsigned parallel = 10;
  // A bucket that is missing is created by the first put. Otherwise it is not_found, as for every other call.
  bool create_bucket = true;
};

// What is kept with an artifact.
struct ArtifactContent {
  std::string content_type = {};  // "application/json"; empty: the server's default
  // Names of small letters, digits and '-', values of printable ASCII; 2 KiB in all.
  std::map<std::string, std::string> metadata = {};
};

struct ArtifactInfo {
  std::string name;
  std::uint64_t bytes = 0;
  std::string etag;              // the server's mark of this content, with its quotes; may be empty
  std::int64_t modified_ns = 0;  // since the Unix epoch; 0: the server did not say
  ArtifactContent content;       // empty in a listing, which does not tell it
};

struct ArtifactPage {
  std::vector<ArtifactInfo> artifacts;  // in the order of their names' bytes
  std::string next;                     // where the next page begins; empty: there is none
};

struct ArtifactTotal {
  std::uint64_t artifacts = 0, bytes = 0;
};

struct ArtifactNotRemoved {
  std::string name;
  Error error;
};

struct ArtifactRemoveReport {
  std::uint64_t removed = 0, removed_bytes = 0;  // in a dry run, what would be
  std::vector<ArtifactNotRemoved> failed;
};

// Any thread; calls block, and try again what may succeed later. Names have 1 to 1,024 bytes, those of the prefix
// included, of any value. Errors name the bucket and the key, and never hold a secret. not_found: there is no artifact
// of that name, or no bucket. Progress may stop a call: ErrorCode::cancelled.
class Artifacts {
 public:
  // Asks nothing yet: the first call does. ErrorCode::unsupported: this build has no S3.
  static Result<Artifacts> open(const ArtifactPlace& place, const ArtifactsOptions& options = {});
  Artifacts(Artifacts&&) noexcept;
  Artifacts& operator=(Artifacts&&) noexcept;
  ~Artifacts();

  // Each put takes the place of what had the name before, once all of it is there: whoever reads meanwhile has the one
  // or the other. After a failure the name has what it had; where not even the parts that were sent could be taken
  // back, the error says so, and abort_uploads() does.
  Result<ArtifactInfo> put(const std::string& name, std::span<const std::byte> bytes,
                           const ArtifactContent& content = {});
  // A regular file, or a link to one. conflict: the file was changed while it was read, and nothing was put.
  Result<ArtifactInfo> put_file(const std::string& name, const std::string& path, const ArtifactContent& content = {},
                                const Progress& progress = {});
  // Fills the buffer, and returns less than its size at the end alone. One thread at a time, in order.
  using Source = std::function<Result<std::size_t>(std::span<std::byte>)>;
  // Of a length that is not known before; up to 10,000 parts.
  Result<ArtifactInfo> put_stream(const std::string& name, const Source& source, const ArtifactContent& content = {});

  // A file of a version ("NAME" or "NAME@V"), as it was added, for whoever has no cairn: `path` as Archive lists it;
  // empty: the only file that the version has, else invalid_argument names them. Read from the store while it is sent;
  // each block is verified. Metadata that is not given says what it is: "cairn-id" (the digest of the file) and
  // "cairn-ref". not_found: there is no such version, or file.
  Result<ArtifactInfo> publish(const std::string& name, Store& store, const std::string& ref,
                               const std::string& path = {}, const ArtifactContent& content = {},
                               const Progress& progress = {});

  // All of one version: an artifact that is replaced while it is read is a retryable conflict. A larger one than
  // `bytes_max`: resource_exhausted.
  Result<std::vector<std::byte>> get(const std::string& name, std::uint64_t bytes_max);
  // The path has the whole artifact, or what it had before; never a part of it. The content waits under another name
  // beside it (PATH.….tmp), which is removed after a failure, and stays only when the process is killed.
  Result<ArtifactInfo> get_file(const std::string& name, const std::string& path, const Progress& progress = {});
  // In order, to the thread that calls, a range at a time. What was given before an error is of no use.
  using Sink = std::function<Status(std::span<const std::byte>)>;
  Result<ArtifactInfo> get_stream(const std::string& name, const Sink& sink);

  Result<ArtifactInfo> stat(const std::string& name);
  // Those whose names begin with `prefix`, which need not end at a '/'; at most 1,000 and at most `count` of them.
  // `cursor`: ArtifactPage::next of the page before.
  Result<ArtifactPage> list(const std::string& prefix = {}, const std::string& cursor = {}, std::size_t count = 1000);
  Result<ArtifactTotal> total(const std::string& prefix = {});

  // By the server, with content type and metadata; up to its limit (Amazon's: 5 GiB).
  Status copy(const std::string& from, const std::string& to);

  // False: there was none.
  Result<bool> remove(const std::string& name);
  // All whose names begin with `prefix`, which is not empty: there is no call that removes everything. What could not
  // be removed is in the report, and the rest is gone. A dry run removes nothing, and says what it would.
  Result<ArtifactRemoveReport> remove_all(const std::string& prefix, bool dry_run = false,
                                          const Progress& progress = {});

  // A URL that reads it, or puts it (with HTTP's PUT), for whoever has the URL: 1 s to 7 days, and no longer than the
  // credentials hold: of a session's, the token is a part of it. Asks the server nothing.
  Result<std::string> url_to_get(const std::string& name, std::chrono::seconds valid_for = std::chrono::hours(1));
  Result<std::string> url_to_put(const std::string& name, std::chrono::seconds valid_for = std::chrono::hours(1));

  // Takes back what killed processes left of uploads in parts, which costs space and is in no listing: those below
  // `prefix` that were begun so long ago. How many. One that is still under way fails.
  Result<std::uint64_t> abort_uploads(const std::string& prefix = {},
                                      std::chrono::seconds older_than = std::chrono::hours(24));

 private:
  friend class ArtifactBucket;
  explicit Artifacts(std::unique_ptr<ArtifactBucket> bucket);
  std::unique_ptr<ArtifactBucket> bucket_;
};

}  // namespace cairn
#pragma GCC visibility pop
