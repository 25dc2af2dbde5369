// SPDX-License-Identifier: Apache-2.0
#include "api/src/mirror_view.h"

#include <algorithm>

#include "api/src/ref_name.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

MirrorView::Refs::const_iterator find(const MirrorView::Refs& refs, const RefName& wanted) {
  if (wanted.version) return refs.find({wanted.name, *wanted.version});
  auto behind = refs.upper_bound({wanted.name, ~std::uint64_t{0}});
  if (behind == refs.begin()) return refs.end();
  --behind;
  return behind->first.first == wanted.name ? behind : refs.end();
}

Status add(MirrorView::OfStore& to, mirror::Statement statement) {
  switch (static_cast<RecordKind>(statement.kind)) {
    case RecordKind::ref: {
      CAIRN_TRY(const RefRecord ref, ref_of(statement));
      to.refs.emplace(std::pair(ref.name, ref.version), std::move(statement));
      return {};
    }
    case RecordKind::roots: {
      CAIRN_TRY(const Root root, root_of(statement));
      to.roots.emplace(root.id, std::move(statement));
      return {};
    }
    default: return {};  // results are restored with their store alone
  }
}

}  // namespace

Status require_mirror(ObjectStorage& storage, DigestKind digest) {
  CAIRN_TRY(const auto of_mirror, mirror::read_marker(storage));
  if (!of_mirror) return make_error(ErrorCode::not_found, "there is no mirror at this place");
  if (*of_mirror == digest) return {};
  return make_error(ErrorCode::unsupported, "the mirror is of stores with digest " +
                                                std::string(digest_kind_name(*of_mirror)) + ", and this one has " +
                                                std::string(digest_kind_name(digest)));
}

MirrorView::MirrorView(ObjectStorage& storage, DigestKind digest, Stores whose, std::size_t parallel)
    : storage_(storage), formats_(digest), whose_(whose), parallel_(parallel) {}

Status MirrorView::refresh() {
  CAIRN_CHECK(require_mirror(storage_, formats_.digest_kind()));
  std::vector<mirror::Uuid> uuids;
  if (whose_.only) {
    uuids.push_back(*whose_.only);
  } else {
    CAIRN_TRY(uuids, mirror::list_stores(storage_));
    if (whose_.but) std::erase(uuids, *whose_.but);
  }
  std::erase_if(stores_, [&](const auto& one) { return std::ranges::find(uuids, one.first) == uuids.end(); });
  for (const mirror::Uuid& uuid : uuids) {
    OfStore& one = stores_[uuid];
    const Status read = refresh_store(uuid, one);
    if (read.ok()) continue;
    if (whose_.only || read.error().code != ErrorCode::corruption) return read;
    one = OfStore{.problem = read.error().message, .end = {}, .refs = {}, .roots = {}, .journals = {}};
  }
  return {};
}

Status MirrorView::refresh_index() { return index_.refresh(storage_, formats_, parallel_); }

Status MirrorView::refresh_store(const mirror::Uuid& uuid, OfStore& one) {
  CAIRN_TRY(const auto listed, mirror::list_all(storage_, mirror::journal_prefix(uuid)));
  std::vector<std::string> journals;
  for (const auto& journal : listed) journals.push_back(journal.key);
  if (!journals.empty() && journals == one.journals) return {};
  CAIRN_TRY(auto read, mirror::read_store(storage_, formats_, uuid, parallel_));
  OfStore fresh{.problem = {}, .end = read.end, .refs = {}, .roots = {}, .journals = std::move(journals)};
  for (auto& [key, statement] : read.fold) CAIRN_CHECK(add(fresh, std::move(statement)));
  one = std::move(fresh);
  return {};
}

Result<std::vector<mirror::Statement>> MirrorView::choose(const std::vector<std::string>& names) const {
  std::vector<mirror::Statement> chosen;
  for (const std::string& name : names) {
    CAIRN_TRY(const RefName wanted, parse_ref_name(name));
    std::string in;  // which stores
    const mirror::Statement* found = nullptr;
    bool ambiguous = false;
    for (const auto& [uuid, mirrored] : stores_) {
      const auto at = find(mirrored.refs, wanted);
      if (at == mirrored.refs.end()) continue;
      in += (in.empty() ? "" : ", ") + mirror::hex(uuid);
      ambiguous = ambiguous || (found != nullptr && *found != at->second);
      found = &at->second;
    }
    if (found == nullptr) {
      std::string unread;
      for (const auto& [uuid, mirrored] : stores_) unread += mirrored.problem.empty() ? "" : "; " + mirrored.problem;
      // What cannot be read may have it.
      return make_error(unread.empty() ? ErrorCode::not_found : ErrorCode::corruption,
                        "the mirror has no '" + printable(name) + "'" + unread);
    }
    if (ambiguous) {
      return make_error(ErrorCode::conflict, "'" + printable(name) + "' is not the same in the stores " + in +
                                                 " of the mirror: say from which");
    }
    chosen.push_back(*found);
  }
  return chosen;
}

std::vector<mirror::Statement> MirrorView::roots_of(const Digest& id) const {
  std::vector<mirror::Statement> roots;
  for (const auto& [uuid, mirrored] : stores_) {
    const auto [begin, end] = mirrored.roots.equal_range(id);
    for (auto at = begin; at != end; ++at) roots.push_back(at->second);
    if (!roots.empty()) break;
  }
  return roots;
}

}  // namespace cairn
