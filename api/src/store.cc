// SPDX-License-Identifier: Apache-2.0
#include "cairn/store.h"

#include "api/src/store_impl.h"

namespace cairn {

Store StoreImpl::handle(std::unique_ptr<StoreImpl> impl) { return Store(std::move(impl)); }

Store::Store(std::unique_ptr<StoreImpl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&& other) noexcept {
  const Store old(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}
// In a forked child the parent's threads are missing: what waits for them would wait forever.
Store::~Store() {
  if (impl_ && impl_->forked()) static_cast<void>(impl_.release());
}

Result<Store> Store::create(const std::string& path, const CreateOptions& options) {
  CAIRN_CHECK(StoreImpl::create(posix_file_system(), path, options));
  return open(path);
}

Result<Store> Store::open(const std::string& path, const StoreOptions& options, const Progress& progress) {
  CAIRN_TRY(auto impl, StoreImpl::open_or_create(posix_file_system(), path, options, progress));
  return Store(std::move(impl));
}

Result<RepairReport> Store::rebuild_index(const std::string& path, const Progress& progress) {
  return StoreImpl::rebuild_index(posix_file_system(), path, progress);
}

Status Store::close() { return impl_->close(); }
const StoreInfo& Store::info() const { return impl_->info(); }
Result<ScrubReport> Store::scrub(const ScrubOptions& options, const Progress& progress) {
  return impl_->scrub(options, progress);
}
Result<RepairReport> Store::repair(const Progress& progress) { return impl_->repair(progress); }
Archive Store::archive() { return Archive(*impl_); }
Deltas Store::deltas() { return Deltas(*impl_); }
Mirrors Store::mirrors() { return Mirrors(*impl_); }
Checkpoints Store::checkpoints(const std::string& experiment) { return Checkpoints(*impl_, experiment); }

}  // namespace cairn
