// SPDX-License-Identifier: Apache-2.0
#include "api/src/opened_mirror.h"

#include "api/src/bucket_mirror.h"
#include "api/src/mirror_places.h"
#include "api/src/mirror_source.h"
#include "engine/base/errors.h"
#ifdef CAIRN_HAVE_S3
#include "replication/s3/open_storage.h"
#endif
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_mirror.h"
#endif

namespace cairn {
namespace {

// Of the log, looked at in one go.
constexpr std::size_t kLogBytes = 8 * MiB;

enum class Kind : std::uint8_t { bucket, database };

// The URL may be anything, with a password in it: it is not repeated.
Result<Kind> kind_of(const MirrorPlace& place) {
  if (place.url.starts_with("s3://")) return Kind::bucket;
  if (place.url.starts_with("postgresql://") || place.url.starts_with("postgres://")) return Kind::database;
  return make_error(ErrorCode::invalid_argument, "the URL of a mirror begins with s3:// or postgresql://");
}

#ifdef CAIRN_HAVE_S3
s3::StorageAddress address_of(const MirrorPlace& place) {
  return {.url = place.url,
          .endpoint = place.endpoint,
          .region = place.region,
          .ca_file = place.ca_file,
          .create_bucket = true};
}
Status check_bucket_place(const MirrorPlace& place) { return s3::check_address(address_of(place)); }
Result<std::unique_ptr<ObjectStorage>> open_bucket(const MirrorPlace& place) {
  return s3::open_storage(address_of(place));
}
#else
Error no_s3() { return make_error(ErrorCode::unsupported, "this build of cairn has no S3"); }
Status check_bucket_place(const MirrorPlace&) { return no_s3(); }
Result<std::unique_ptr<ObjectStorage>> open_bucket(const MirrorPlace&) { return no_s3(); }
#endif

#ifndef CAIRN_HAVE_POSTGRES
Error no_postgres() { return make_error(ErrorCode::unsupported, "this build of cairn has no PostgreSQL"); }
Status check_postgres_place(const MirrorPlace&) { return no_postgres(); }
Result<std::unique_ptr<OpenedMirror>> open_postgres_mirror(StoreImpl&, MirrorInfo) { return no_postgres(); }
Result<std::unique_ptr<ResultFinder>> open_postgres_finder(const StoreImpl&, const MirrorPlace&) {
  return no_postgres();
}
#endif

}  // namespace

Status check_mirror_place(const MirrorPlace& place) {
  CAIRN_TRY(const Kind kind, kind_of(place));
  return kind == Kind::database ? check_postgres_place(place) : check_bucket_place(place);
}

Result<std::unique_ptr<OpenedMirror>> open_mirror(StoreImpl& store, const std::string& name) {
  CAIRN_CHECK(store.check_usable());
  CAIRN_TRY(auto place, read_mirror_place(store, name));
  if (!place) return make_error(ErrorCode::not_found, "the store has no mirror '" + printable(name) + "'");
  CAIRN_TRY(const Kind kind, kind_of(*place));
  MirrorInfo info{.name = name, .place = *std::move(place)};
  if (kind == Kind::database) return open_postgres_mirror(store, std::move(info));
  CAIRN_TRY(auto storage, open_bucket(info.place));
  return std::unique_ptr<OpenedMirror>(std::make_unique<BucketMirror>(store, std::move(info), std::move(storage)));
}

Result<std::unique_ptr<ObjectStorage>> open_mirror_storage(const MirrorPlace& place) {
  CAIRN_TRY(const Kind kind, kind_of(place));
  if (kind == Kind::bucket) return open_bucket(place);
  return make_error(ErrorCode::unsupported, "a mirror that is a database has rows, and no content to be had");
}

Result<MirrorReaders> open_mirror_readers(const StoreImpl& store, const MirrorPlace& place) {
  CAIRN_TRY(const Kind kind, kind_of(place));
  MirrorReaders readers;
  if (kind == Kind::database) {
    CAIRN_TRY(readers.results, open_postgres_finder(store, place));
  } else {
    CAIRN_TRY(readers.content, open_bucket(place));
  }
  return readers;
}

Status OpenedMirror::count_behind(mirror::Cursor from, MirrorStatus& status) {
  MirrorSource source(store_);
  CAIRN_TRY(const mirror::Source::Head head, source.head());
  status.behind_bytes = source.bytes_between(from, head.at);
  for (bool has_more = true; has_more;) {
    CAIRN_TRY(const auto changes, source.changes(from, kLogBytes));
    status.behind_statements += changes.statements.size();
    has_more = changes.has_more && changes.to > from;
    from = changes.to;
  }
  return {};
}

Result<std::optional<mirror::Uuid>> uuid_of(const std::string& text) {
  if (text.empty()) return std::optional<mirror::Uuid>();
  mirror::Uuid uuid{};
  if (mirror::from_hex(text, uuid)) return std::optional(uuid);
  return make_error(ErrorCode::invalid_argument, "'" + printable(text) + "' is no store's id: 32 hexadecimal digits");
}

MirrorPushReport push_report_of(mirror::PushReport report) {
  return {.statements = report.statements,
          .records = report.records,
          .content_bytes = report.content_bytes,
          .rows = report.rows,
          .sent_bytes = report.sent_bytes,
          .requests = report.requests,
          .left_out = std::move(report.left_out)};
}

}  // namespace cairn
