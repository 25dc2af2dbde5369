// SPDX-License-Identifier: Apache-2.0
//
// Artifacts: how their content goes to the bucket and comes from it.
#ifdef CAIRN_HAVE_S3
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <optional>
#include <system_error>
#include <utility>

#include "api/src/artifact_bucket.h"
#include "api/src/byte_pipe.h"
#include "api/src/incoming_file.h"
#include "cairn/archive.h"
#include "cairn/store.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/format/manifest.h"
#include "engine/io/tree_walk.h"

namespace cairn {
namespace {

// Counts what several threads move, and reports it from the one that made the call, as Progress has it.
class TransferMeter {
 public:
  TransferMeter(const Progress& progress, const char* phase, std::uint64_t bytes) : meter_(progress, phase, bytes) {}
  ~TransferMeter() { report(); }
  TransferMeter(const TransferMeter&) = delete;
  TransferMeter& operator=(const TransferMeter&) = delete;

  // cancelled: a stop was requested.
  Status add(std::uint64_t bytes) {
    moved_.fetch_add(bytes);
    if (std::this_thread::get_id() == caller_) report();
    return meter_.check_stop();
  }

 private:
  void report() {
    const std::uint64_t bytes = moved_.exchange(0);
    meter_.add(bytes, bytes);
  }

  ProgressMeter meter_;
  const std::thread::id caller_ = std::this_thread::get_id();
  std::atomic<std::uint64_t> moved_ = 0;
};

// Content that can be given again from its beginning as long as only its first piece was taken: that there is no bucket
// shows when that one is sent, and a pipe is read once.
class FirstPieceKept {
 public:
  FirstPieceKept(const Artifacts::Source& source, bool keep) : source_(source), keep_(keep) {}

  Result<std::size_t> read(std::span<std::byte> into) {
    if (std::exchange(again_, false)) {
      const std::size_t size = std::min(into.size(), first_.size());
      std::copy_n(first_.begin(), size, into.begin());
      return size;
    }
    CAIRN_TRY(std::size_t size, source_(into));
    size = std::min(size, into.size());
    bytes_ += size;
    const bool is_first = pieces_++ == 0;
    if (is_first && keep_) {
      first_.assign(into.begin(), into.begin() + static_cast<std::ptrdiff_t>(size));
    } else {
      std::vector<std::byte>().swap(first_);
    }
    return size;
  }
  bool begin_again() { return again_ = keep_ && pieces_ == 1; }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  const Artifacts::Source& source_;
  const bool keep_;
  bool again_ = false;
  std::vector<std::byte> first_;
  std::uint64_t pieces_ = 0, bytes_ = 0;
};

// Read ahead of what is sent.
constexpr std::size_t kPublishAheadBytes = 16u << 20;
// Of files that an error names.
constexpr std::size_t kNamesBytesMax = 500;

s3::ObjectOptions options_of(const ArtifactContent& content) {
  return {.content_type = content.content_type, .metadata = content.metadata};
}

Result<ArtifactInfo> put_parts(ArtifactBucket& bucket, const std::string& name, const Artifacts::Source& source,
                               std::uint64_t bytes_expected, const ArtifactContent& content) {
  CAIRN_TRY(const std::string key, bucket.key_of(name));
  FirstPieceKept kept(source, bucket.may_be_missing());
  const auto put = [&] {
    return bucket.client().put_in_parts(
        key, [&](std::span<std::byte> into) { return kept.read(into); }, bytes_expected, options_of(content));
  };
  Result<std::string> etag = put();
  if (!etag.ok() && kept.begin_again()) {
    CAIRN_TRY(const bool made, bucket.made_bucket_after(etag.error()));
    if (made) etag = put();
  }
  if (!etag.ok()) return std::move(etag).error();
  bucket.note_there();
  return ArtifactInfo{.name = name, .bytes = kept.bytes(), .etag = *std::move(etag), .content = content};
}

// What a version has under a path, or the only file that it has.
Result<EntryInfo> file_of(Archive& archive, const std::string& ref, const std::string& path) {
  CAIRN_TRY(const std::vector<EntryInfo> entries, archive.entries(ref));
  std::vector<const EntryInfo*> files;
  std::string names;
  for (const EntryInfo& entry : entries) {
    if (entry.kind != "file" || (!path.empty() && entry.path != path)) continue;
    files.push_back(&entry);
    if (names.size() < kNamesBytesMax) names += (names.empty() ? "" : ", ") + printable(entry.path);
  }
  if (files.size() == 1) return *files.front();
  if (!files.empty()) {
    return make_error(ErrorCode::invalid_argument, "'" + printable(ref) + "' has several files: say which of " + names);
  }
  return make_error(ErrorCode::not_found, "'" + printable(ref) + "' has no file" +
                                              (path.empty() ? std::string() : " '" + printable(path) + "'"));
}

// What is at `path` once links are followed, which InputFile does not. The errors are of code io, or not_found would
// read as if the artifact were missing.
Result<std::unique_ptr<InputFile>> open_input(const std::string& path) {
  std::error_code unresolved;
  const auto real = std::filesystem::canonical(path, unresolved);
  Result<std::unique_ptr<InputFile>> file = InputFile::open(unresolved ? path : real.string());
  if (!file.ok() && file.error().code == ErrorCode::not_found) file.error().code = ErrorCode::io;
  return file;
}

}  // namespace

Result<ArtifactInfo> Artifacts::put(const std::string& name, std::span<const std::byte> bytes,
                                    const ArtifactContent& content) {
  if (bytes.size() > bucket_->options().part_bytes) {
    const Source source = [rest = bytes](std::span<std::byte> into) mutable -> Result<std::size_t> {
      const std::size_t size = std::min(into.size(), rest.size());
      std::copy_n(rest.begin(), size, into.begin());
      rest = rest.subspan(size);
      return size;
    };
    return put_parts(*bucket_, name, source, bytes.size(), content);
  }
  CAIRN_TRY(const std::string key, bucket_->key_of(name));
  const auto put = [&] { return bucket_->client().put(key, s3::Client::Parts(&bytes, 1), options_of(content)); };
  Result<std::string> etag = put();
  if (!etag.ok()) {
    CAIRN_TRY(const bool made, bucket_->made_bucket_after(etag.error()));
    if (made) etag = put();
  }
  if (!etag.ok()) return std::move(etag).error();
  bucket_->note_there();
  return ArtifactInfo{.name = name, .bytes = bytes.size(), .etag = *std::move(etag), .content = content};
}

Result<ArtifactInfo> Artifacts::put_file(const std::string& name, const std::string& path,
                                         const ArtifactContent& content, const Progress& progress) {
  CAIRN_TRY(const std::unique_ptr<InputFile> file, open_input(path));
  TransferMeter meter(progress, "upload", file->size());
  const Source source = [&, at = std::uint64_t{0}](std::span<std::byte> into) mutable -> Result<std::size_t> {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), file->size() - at));
    CAIRN_CHECK(file->read_at(at, into.first(size)));
    at += size;
    CAIRN_CHECK(meter.add(size));
    if (size == into.size()) return size;
    CAIRN_TRY(const FileIdentity now, file->identity_now());
    if (now == file->identity()) return size;
    return Error{.code = ErrorCode::conflict,
                 .message = "'" + printable(path) + "' was changed while it was read",
                 .retryable = true};
  };
  return put_parts(*bucket_, name, source, file->size(), content);
}

Result<ArtifactInfo> Artifacts::put_stream(const std::string& name, const Source& source,
                                           const ArtifactContent& content) {
  return put_parts(*bucket_, name, source, 0, content);
}

namespace {

struct Closing {
  BytePipe& pipe;
  ~Closing() { pipe.close(); }
};

}  // namespace

Result<ArtifactInfo> Artifacts::publish(const std::string& name, Store& store, const std::string& ref,
                                        const std::string& path, const ArtifactContent& content,
                                        const Progress& progress) {
  Archive archive = store.archive();
  CAIRN_TRY(const RefInfo version, archive.resolve(ref));
  const std::string of = version.name + "@" + std::to_string(version.version);
  CAIRN_TRY(const EntryInfo file, file_of(archive, of, path));
  ArtifactContent said = content;
  said.metadata.try_emplace("cairn-id", file.id);
  // Headers have printable ASCII alone.
  const bool is_plain = std::ranges::all_of(of, [](char c) { return c > ' ' && c <= '~'; });
  if (is_plain) said.metadata.try_emplace("cairn-ref", of);
  TransferMeter meter(progress, "upload", file.bytes);
  BytePipe pipe(kPublishAheadBytes);
  const auto read = [&] {
    pipe.end(archive.read_file(of, file.path, [&pipe](std::span<const std::byte> bytes) { return pipe.write(bytes); }));
  };
  std::future<void> reader;
  try {
    reader = std::async(std::launch::async, read);
  } catch (const std::system_error&) {
    return Error{.code = ErrorCode::resource_exhausted, .message = "publish: the system starts no more threads"};
  }
  const Closing closing{pipe};  // before the reader is waited for
  const Source source = [&](std::span<std::byte> into) -> Result<std::size_t> {
    CAIRN_TRY(const std::size_t size, pipe.read(into));
    CAIRN_CHECK(meter.add(size));
    return size;
  };
  auto put = put_parts(*bucket_, name, source, file.bytes, said);
  return put;
}

Result<std::vector<std::byte>> Artifacts::get(const std::string& name, std::uint64_t bytes_max) {
  CAIRN_TRY(const std::string key, bucket_->key_of(name));
  s3::Client& client = bucket_->client();
  // What fits one range needs no question for its size first.
  const bool is_small = bytes_max <= bucket_->options().part_bytes;
  CAIRN_TRY(std::optional<std::vector<std::byte>> bytes,
            is_small ? client.get(key, bytes_max) : client.get_in_ranges(key, bytes_max));
  if (!bytes) return bucket_->not_found(name);
  return *std::move(bytes);
}

Result<ArtifactInfo> Artifacts::get_file(const std::string& name, const std::string& path, const Progress& progress) {
  CAIRN_TRY(const std::string key, bucket_->key_of(name));
  std::optional<TransferMeter> meter;
  std::unique_ptr<IncomingFile> file;
  const s3::Client::RangeReader reader{.begin = [&](const s3::ObjectInfo& info) -> Status {
                                         CAIRN_TRY(file, IncomingFile::create(posix_file_system(), path, info.size));
                                         meter.emplace(progress, "download", info.size);
                                         return {};
                                       },
                                       .take = [&](std::uint64_t offset, std::span<const std::byte> bytes) -> Status {
                                         CAIRN_CHECK(file->write_at(offset, bytes));
                                         return meter->add(bytes.size());
                                       }};
  CAIRN_TRY(std::optional<s3::ObjectInfo> info,
            bucket_->client().read_in_ranges(key, reader, bucket_->options().parallel));
  if (!info) return bucket_->not_found(name);
  CAIRN_CHECK(file->commit());
  return artifact_info(name, *std::move(info));
}

Result<ArtifactInfo> Artifacts::get_stream(const std::string& name, const Sink& sink) {
  CAIRN_TRY(const std::string key, bucket_->key_of(name));
  const s3::Client::RangeReader reader{
      .take = [&](std::uint64_t /*offset*/, std::span<const std::byte> bytes) { return sink(bytes); }};
  CAIRN_TRY(std::optional<s3::ObjectInfo> info, bucket_->client().read_in_ranges(key, reader, 1));
  if (!info) return bucket_->not_found(name);
  return artifact_info(name, *std::move(info));
}

}  // namespace cairn
#endif
