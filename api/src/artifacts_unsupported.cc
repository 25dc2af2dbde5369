// SPDX-License-Identifier: Apache-2.0
//
// Artifacts in a build without S3, where none can be opened: what is declared is there all the same.
#include "cairn/artifacts.h"

#ifndef CAIRN_HAVE_S3
#include <utility>

#include "engine/base/errors.h"

namespace cairn {
namespace {

Error no_s3() { return make_error(ErrorCode::unsupported, "this build of cairn has no S3"); }

}  // namespace

class ArtifactBucket {};

Artifacts::Artifacts(std::unique_ptr<ArtifactBucket> bucket) : bucket_(std::move(bucket)) {}
Artifacts::Artifacts(Artifacts&&) noexcept = default;
Artifacts& Artifacts::operator=(Artifacts&&) noexcept = default;
Artifacts::~Artifacts() = default;

Result<Artifacts> Artifacts::open(const ArtifactPlace&, const ArtifactsOptions&) { return no_s3(); }

Result<ArtifactInfo> Artifacts::put(const std::string&, std::span<const std::byte>, const ArtifactContent&) {
  return no_s3();
}
Result<ArtifactInfo> Artifacts::put_file(const std::string&, const std::string&, const ArtifactContent&,
                                         const Progress&) {
  return no_s3();
}
Result<ArtifactInfo> Artifacts::put_stream(const std::string&, const Source&, const ArtifactContent&) {
  return no_s3();
}
Result<ArtifactInfo> Artifacts::publish(const std::string&, Store&, const std::string&, const std::string&,
                                        const ArtifactContent&, const Progress&) {
  return no_s3();
}
Result<std::vector<std::byte>> Artifacts::get(const std::string&, std::uint64_t) { return no_s3(); }
Result<ArtifactInfo> Artifacts::get_file(const std::string&, const std::string&, const Progress&) { return no_s3(); }
Result<ArtifactInfo> Artifacts::get_stream(const std::string&, const Sink&) { return no_s3(); }
Result<ArtifactInfo> Artifacts::stat(const std::string&) { return no_s3(); }
Result<ArtifactPage> Artifacts::list(const std::string&, const std::string&, std::size_t) { return no_s3(); }
Result<ArtifactTotal> Artifacts::total(const std::string&) { return no_s3(); }
Status Artifacts::copy(const std::string&, const std::string&) { return no_s3(); }
Result<bool> Artifacts::remove(const std::string&) { return no_s3(); }
Result<ArtifactRemoveReport> Artifacts::remove_all(const std::string&, bool, const Progress&) { return no_s3(); }
Result<std::string> Artifacts::url_to_get(const std::string&, std::chrono::seconds) { return no_s3(); }
Result<std::string> Artifacts::url_to_put(const std::string&, std::chrono::seconds) { return no_s3(); }
Result<std::uint64_t> Artifacts::abort_uploads(const std::string&, std::chrono::seconds) { return no_s3(); }

}  // namespace cairn
#endif
