// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <unordered_set>

#include "engine/base/aligned_buffer.h"
#include "tests/support/sim_survival.h"

namespace cairn::testing {
namespace {

constexpr std::uint64_t kEverything = ~std::uint64_t{0};

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  std::size_t from = 0;
  while (from <= path.size()) {
    const std::size_t slash = std::min(path.find('/', from), path.size());
    const std::string name = path.substr(from, slash - from);
    from = slash + 1;
    if (name == "..") {
      if (!names.empty()) names.pop_back();
    } else if (!name.empty() && name != ".") {
      names.push_back(name);
    }
  }
  return names;
}

bool holds(const SimNode& folder, const SimNode* wanted) {
  if (&folder == wanted) return true;
  return std::any_of(folder.entries.begin(), folder.entries.end(),
                     [&](const auto& entry) { return entry.second->is_directory && holds(*entry.second, wanted); });
}

void assign(SimEntries& entries, const std::string& name, const SimNodePtr& node) {
  if (node) {
    entries[name] = node;
  } else {
    entries.erase(name);
  }
}

}  // namespace

SimDisk::SimDisk(std::uint64_t capacity) : capacity_(capacity), root_(std::make_shared<SimNode>()) {
  root_->is_directory = true;
  root_->links = 1;
}

int SimDisk::find(const std::string& path, Place& place) const {
  place = {nullptr, "", root_};
  for (const std::string& name : names_in(path)) {
    if (!place.node) return ENOENT;
    if (!place.node->is_directory) return ENOTDIR;
    place.folder = place.node;
    place.name = name;
    const auto found = place.folder->entries.find(name);
    place.node = found == place.folder->entries.end() ? nullptr : found->second;
  }
  return 0;
}

int SimDisk::find_existing(const std::string& path, SimNodePtr& node) const {
  Place place;
  if (const int failed = find(path, place)) return failed;
  node = place.node;
  return node ? 0 : ENOENT;
}

void SimDisk::record(std::vector<Assignment> assignments) {
  for (const Assignment& a : assignments) {
    const auto old = a.folder->entries.find(a.name);
    const SimNodePtr gone = old == a.folder->entries.end() ? nullptr : old->second;
    if (a.node) ++a.node->links;
    assign(a.folder->entries, a.name, a.node);
    if (gone) {
      --gone->links;
      release_if_gone(*gone);
    }
  }
  folder_changes_.push_back({next_sequence_++, std::move(assignments)});
}

int SimDisk::create(Place& place, bool is_directory) {
  if (place.node) return EEXIST;
  place.node = std::make_shared<SimNode>();
  place.node->id = next_id_++;
  place.node->is_directory = is_directory;
  record({{place.folder, place.name, place.node}});
  return 0;
}

int SimDisk::rename(const std::string& from, const std::string& to) {
  Place source;
  Place target;
  if (const int failed = find(from, source)) return failed;
  if (!source.node) return ENOENT;
  if (const int failed = find(to, target)) return failed;
  if (!source.folder || !target.folder) return EBUSY;
  if (source.node == target.node) return 0;
  if (source.node->is_directory && holds(*source.node, target.folder.get())) return EINVAL;
  if (target.node) {
    if (target.node->is_directory && !source.node->is_directory) return EISDIR;
    if (!target.node->is_directory && source.node->is_directory) return ENOTDIR;
    if (!target.node->entries.empty()) return ENOTEMPTY;
  }
  // The new name first, so that the node always has a link.
  record({{target.folder, target.name, source.node}, {source.folder, source.name, nullptr}});
  return 0;
}

int SimDisk::link(const std::string& from, const std::string& to) {
  SimNodePtr node;
  Place target;
  if (const int failed = find_existing(from, node)) return failed;
  if (const int failed = find(to, target)) return failed;
  if (node->is_directory) return EPERM;
  if (target.node) return EEXIST;
  record({{target.folder, target.name, node}});
  return 0;
}

int SimDisk::remove(const std::string& path, bool is_directory) {
  Place place;
  if (const int failed = find(path, place)) return failed;
  if (!place.node) return ENOENT;
  if (!place.folder) return EBUSY;
  if (place.node->is_directory != is_directory) return is_directory ? ENOTDIR : EISDIR;
  if (!place.node->entries.empty()) return ENOTEMPTY;
  record({{place.folder, place.name, nullptr}});
  return 0;
}

int SimDisk::sync_directory(const std::string& path) {
  SimNodePtr folder;
  if (const int failed = find_existing(path, folder)) return failed;
  if (!folder->is_directory) return ENOTDIR;
  std::vector<FolderChange> later;
  for (FolderChange& change : folder_changes_) {
    const bool touches = std::any_of(change.assignments.begin(), change.assignments.end(),
                                     [&](const Assignment& a) { return a.folder == folder; });
    if (!touches) {
      later.push_back(std::move(change));
      continue;
    }
    // A move between folders is one step: it lasts in both, and what was pending under
    // the same name in the other one is history.
    for (const Assignment& a : change.assignments) {
      assign(a.folder->durable, a.name, a.node);
      for (FolderChange& earlier : later) {
        std::erase_if(earlier.assignments,
                      [&](const Assignment& e) { return e.folder == a.folder && e.name == a.name; });
      }
    }
  }
  std::erase_if(later, [](const FolderChange& change) { return change.assignments.empty(); });
  folder_changes_ = std::move(later);
  return 0;
}

std::uint64_t SimDisk::disk_bytes(const SimNode& node) {
  return align_up(std::max<std::uint64_t>(node.current.size(), node.preallocated), kPageBytes);
}

int SimDisk::charge(SimNode& node, std::uint64_t bytes) {
  if (bytes > capacity_) return ENOSPC;
  const std::uint64_t rounded = align_up(bytes, kPageBytes);
  // A disk whose capacity was lowered below what it holds still lets files shrink.
  if (rounded > node.charged && used_ - node.charged + rounded > capacity_) return ENOSPC;
  used_ = used_ - node.charged + rounded;
  node.charged = rounded;
  return 0;
}

void SimDisk::release_if_gone(SimNode& node) {
  if (node.links > 0 || node.handles > 0) return;
  used_ -= node.charged;
  node.charged = 0;
}

void SimDisk::closed(SimNode& node) {
  --node.handles;
  release_if_gone(node);
}

int SimDisk::write(SimNode& node, std::uint64_t offset, Bytes bytes, bool completed, std::uint64_t& sequence) {
  sequence = next_sequence_++;
  if (bytes.empty()) return 0;
  if (offset > capacity_ || bytes.size() > capacity_) return ENOSPC;
  const std::uint64_t size = std::max<std::uint64_t>(node.current.size(), offset + bytes.size());
  if (const int failed = charge(node, std::max(size, node.preallocated))) return failed;
  SimChange change{
      .sequence = sequence, .offset = offset, .bytes = {bytes.begin(), bytes.end()}, .completed = completed};
  apply_change(change, node.current);
  node.pending.push_back(std::move(change));
  return 0;
}

int SimDisk::truncate(SimNode& node, std::uint64_t size) {
  // What lies behind a file's end stays reserved when the file only grows.
  const std::uint64_t kept = size > node.current.size() ? node.preallocated : 0;
  if (const int failed = charge(node, std::max(size, kept))) return failed;
  node.preallocated = kept;
  SimChange change{.sequence = next_sequence_++, .truncates = true, .offset = size};
  apply_change(change, node.current);
  node.pending.push_back(std::move(change));
  return 0;
}

int SimDisk::preallocate(SimNode& node, std::uint64_t size) {
  const std::uint64_t wanted = std::max(size, node.preallocated);
  if (const int failed = charge(node, std::max<std::uint64_t>(wanted, node.current.size()))) return failed;
  node.preallocated = wanted;
  return 0;
}

void SimDisk::complete(SimNode& node, std::uint64_t sequence) {
  const auto change = std::find_if(node.pending.rbegin(), node.pending.rend(),
                                   [&](const SimChange& c) { return c.sequence == sequence; });
  if (change != node.pending.rend()) change->completed = true;
}

void SimDisk::sync(SimNode& node) {
  std::vector<SimChange> in_flight;
  for (SimChange& change : node.pending) {
    if (!change.completed) {
      in_flight.push_back(std::move(change));
    } else if (!change.lost) {
      apply_change(change, node.synced);
    } else if (const std::uint64_t end = change.offset + change.bytes.size(); end > node.synced.size()) {
      node.synced.resize(end);
    }
  }
  node.pending = std::move(in_flight);
}

void SimDisk::lose_unsynced(SimNode& node) {
  for (SimChange& change : node.pending) change.lost = change.lost || !change.truncates;
}

void SimDisk::flip_bit(SimNode& node, std::uint64_t offset, unsigned bit) {
  const std::byte mask{static_cast<unsigned char>(1U << (bit % 8))};
  if (offset < node.current.size()) node.current[offset] ^= mask;
  if (offset < node.synced.size()) node.synced[offset] ^= mask;
  for (SimChange& change : node.pending) {
    if (offset >= change.offset && offset - change.offset < change.bytes.size()) {
      change.bytes[offset - change.offset] ^= mask;
    }
  }
}

// One point in time out of all that something unsynced happened at, or before them all.
std::uint64_t SimDisk::last_kept(std::uint64_t seed) const {
  std::vector<std::uint64_t> moments{0};
  std::unordered_set<const SimNode*> seen;
  const std::function<void(const SimNode&)> visit = [&](const SimNode& node) {
    if (!seen.insert(&node).second) return;
    for (const SimChange& change : node.pending) moments.push_back(change.sequence);
    for (const auto& [name, child] : node.entries) visit(*child);
    for (const auto& [name, child] : node.durable) visit(*child);
  };
  visit(*root_);
  for (const FolderChange& change : folder_changes_) {
    moments.push_back(change.sequence);
    for (const Assignment& a : change.assignments) {
      if (a.node) visit(*a.node);
    }
  }
  std::sort(moments.begin(), moments.end());
  return moments[mix(seed, moments.size()) % moments.size()];
}

// What the folders touched by changes that survive hold; the others hold what is durable.
std::unordered_map<const SimNode*, SimEntries> SimDisk::surviving_folders(std::uint64_t seed, Loss loss,
                                                                          std::uint64_t last) const {
  std::unordered_map<const SimNode*, SimEntries> folders;
  std::uint64_t ordered = kEverything;
  if (loss == Loss::reorder_sectors) ordered = mix(seed, 1) % (folder_changes_.size() + 1);
  for (std::size_t i = 0; i < folder_changes_.size(); ++i) {
    const FolderChange& change = folder_changes_[i];
    bool survives = loss != Loss::drop_unsynced && i < ordered;
    if (loss == Loss::keep_prefix) survives = change.sequence <= last;
    if (loss == Loss::reorder_everything) survives = mix(seed, 2, change.sequence) % 2 == 0;
    if (!survives) continue;
    for (const Assignment& a : change.assignments) {
      const auto folder = folders.try_emplace(a.folder.get(), a.folder->durable).first;
      assign(folder->second, a.name, a.node);
    }
  }
  return folders;
}

SimDisk SimDisk::survivor(std::uint64_t seed, Loss loss) const {
  const std::uint64_t last = loss == Loss::keep_prefix ? last_kept(seed) : 0;
  const auto folders = surviving_folders(seed, loss, last);
  SimDisk found(capacity_);
  found.next_id_ = next_id_;
  found.next_sequence_ = next_sequence_;
  std::unordered_map<const SimNode*, SimNodePtr> copies{{root_.get(), found.root_}};

  const std::function<void(const SimNode&, SimNode&)> copy = [&](const SimNode& from, SimNode& to) {
    to.id = from.id;
    to.is_directory = from.is_directory;
    if (!from.is_directory) {
      to.synced = surviving_content(from, seed, loss, last);
      to.current = to.synced;
      to.charged = disk_bytes(to);
      found.used_ += to.charged;
      return;
    }
    const auto changed = folders.find(&from);
    for (const auto& [name, node] : changed == folders.end() ? from.durable : changed->second) {
      const auto [known, fresh] = copies.try_emplace(node.get());
      if (fresh) known->second = std::make_shared<SimNode>();
      const SimNodePtr child = known->second;
      ++child->links;
      to.entries[name] = child;
      to.durable[name] = child;
      if (fresh) copy(*node, *child);
    }
  };
  copy(*root_, *found.root_);
  return found;
}

}  // namespace cairn::testing
