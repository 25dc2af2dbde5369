// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints: values by name, whole, in part, or into the caller's memory.
#include <algorithm>
#include <cstring>

#include "api/src/checkpoint_ref.h"
#include "api/src/glob.h"
#include "api/src/object_info.h"
#include "api/src/ref_name.h"
#include "api/src/tensor_slice.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/read/file_reader.h"

namespace cairn {
namespace {

// A value and how it is read.
struct Planned {
  StateValue value;
  std::optional<TensorManifest> tensor;
  FilePieces pieces;
};

// A checkpoint that is listed promises its parts: one that is missing was lost.
class Loading {
 public:
  Loading(StoreImpl& store, std::string name, std::uint64_t generation)
      : store_(store), name_(std::move(name)), generation_(generation) {}

  Status open() {
    CAIRN_TRY(const RefRecord ref, find_checkpoint(store_, name_, generation_));
    CAIRN_TRY(const TreeManifest tree, load_or_lost(load_ref_tree(store_, ref)));
    const auto entry = std::find_if(tree.entries.begin(), tree.entries.end(),
                                    [](const TreeEntry& e) { return e.kind == EntryKind::state; });
    if (entry == tree.entries.end()) {
      return make_error(ErrorCode::invalid_argument, text() + " holds files, and no state");
    }
    CAIRN_TRY(state_, load_or_lost(load_state(store_.blocks(), entry->blob)));
    return {};
  }

  const StateManifest& state() const { return state_; }
  std::string text() const { return "'" + printable(name_) + "@" + std::to_string(generation_) + "'"; }

  Result<const StateValue*> find(const std::string& name) const {
    const auto value = std::lower_bound(state_.values.begin(), state_.values.end(), name,
                                        [](const StateValue& v, const std::string& n) { return v.name < n; });
    if (value == state_.values.end() || value->name != name) {
      return make_error(ErrorCode::not_found, "no value '" + printable(name) + "' in " + text());
    }
    return &*value;
  }

  // Of hundreds of values the small records would be waited for one by one: many are asked for at once.
  Result<std::vector<Planned>> plan(const std::vector<const StateValue*>& values) {
    std::vector<Planned> planned;
    auto next = [&values, at = std::size_t{0}]() mutable -> Result<std::optional<const StateValue*>> {
      return at < values.size() ? std::optional(values[at++]) : std::nullopt;
    };
    const auto work = [this](const StateValue* value) { return plan_one(*value); };
    const auto consume = [&planned](const StateValue*, Planned one) {
      planned.push_back(std::move(one));
      return Status();
    };
    CAIRN_CHECK((parallel_in_order<const StateValue*, Planned>(store_.readers(), 4 * store_.readers().threads(), next,
                                                               work, consume)));
    return planned;
  }

  // Any thread.
  Result<Planned> plan_one(const StateValue& value) const {
    Planned planned{.value = value, .tensor = {}, .pieces = {}};
    Digest blob = value.id;
    if (value.kind == RecordKind::tensor) {
      CAIRN_TRY(planned.tensor, load_or_lost(load_tensor(store_.blocks(), value.id)));
      blob = planned.tensor->blob;
    }
    CAIRN_TRY(planned.pieces, load_or_lost(pieces_of_blob(store_.blocks(), blob, value.bytes)));
    return planned;
  }

  ValueInfo info(const Planned& planned) const {
    ValueInfo info{
        .name = planned.value.name, .id = store_.id_text(planned.value.id), .bytes = planned.value.bytes, .tensor = {}};
    if (planned.tensor) {
      info.tensor =
          TensorLayout{.dtype = planned.tensor->dtype, .shape = planned.tensor->shape, .strides = {}, .first = 0};
    }
    return info;
  }

  // Every block of every value is on its way at once, whichever value it belongs to.
  Status read(const std::vector<Planned>& values, const std::vector<std::span<std::byte>>& into) {
    FilePieces all;
    std::vector<std::uint64_t> begins;
    for (const Planned& planned : values) {
      begins.push_back(all.total_bytes);
      for (Piece piece : planned.pieces.pieces) {
        piece.offset += all.total_bytes;
        all.pieces.push_back(piece);
      }
      all.total_bytes += planned.value.bytes;
    }
    const auto place = [&](std::uint64_t offset, Bytes bytes) -> Status {
      // Of values that begin at one place all but the last are empty.
      const auto at =
          static_cast<std::size_t>(std::upper_bound(begins.begin(), begins.end(), offset) - begins.begin() - 1);
      CAIRN_INVARIANT(offset - begins[at] + bytes.size() <= into[at].size());
      std::memcpy(into[at].data() + (offset - begins[at]), bytes.data(), bytes.size());
      return {};
    };
    const Progress none;
    ProgressMeter meter(none, "load", all.total_bytes);
    const Status status = FileReader(store_.blocks(), store_.pool()).scatter(all, place, meter);
    return status.ok() ? status : Status(lost(status.error()));
  }

 private:
  template <class T>
  Result<T> load_or_lost(Result<T> result) const {
    if (!result.ok()) return lost(std::move(result).error()).with_context(text());
    return result;
  }

  StoreImpl& store_;
  const std::string name_;
  const std::uint64_t generation_;
  StateManifest state_;
};

std::string layout_text(DType dtype, const std::vector<std::uint64_t>& shape) {
  std::string text = std::string(dtype_name(dtype)) + " [";
  for (std::size_t d = 0; d < shape.size(); ++d) text += (d == 0 ? "" : ", ") + std::to_string(shape[d]);
  return text + "]";
}

Status check_target(const LoadTarget& target, const Planned& planned, const std::string& where) {
  const auto wrong = [&](const std::string& why) {
    return make_error(ErrorCode::invalid_argument, "'" + printable(target.name) + "' of " + where + " " + why);
  };
  if (target.tensor) {
    if (!target.tensor->strides.empty()) return wrong("is loaded contiguous: the target has no strides");
    if (!planned.tensor) return wrong("is no tensor");
    const std::string is = layout_text(planned.tensor->dtype, planned.tensor->shape);
    const std::string wanted = layout_text(target.tensor->dtype, target.tensor->shape);
    if (is != wanted) return wrong("is " + is + ", not " + wanted);
  }
  if (target.into.size() != planned.value.bytes) {
    return wrong("has " + std::to_string(planned.value.bytes) + " bytes, not " + std::to_string(target.into.size()));
  }
  return {};
}

bool is_wanted(const std::string& name, const std::vector<std::string>& only) {
  return only.empty() ||
         std::any_of(only.begin(), only.end(), [&](const std::string& pattern) { return glob_match(pattern, name); });
}

}  // namespace

Result<std::vector<ValueInfo>> Checkpoints::values(std::uint64_t generation) {
  Loading loading(*store_, name_, generation);
  CAIRN_CHECK(loading.open());
  std::vector<const StateValue*> all;
  for (const StateValue& value : loading.state().values) all.push_back(&value);
  CAIRN_TRY(const std::vector<Planned> planned, loading.plan(all));
  std::vector<ValueInfo> values;
  for (const Planned& value : planned) values.push_back(loading.info(value));
  return values;
}

Result<std::vector<LoadedValue>> Checkpoints::load(std::uint64_t generation, const std::vector<std::string>& only) {
  Loading loading(*store_, name_, generation);
  CAIRN_CHECK(loading.open());
  std::vector<const StateValue*> matching;
  for (const StateValue& value : loading.state().values) {
    if (is_wanted(value.name, only)) matching.push_back(&value);
  }
  if (matching.empty() && !only.empty()) {
    return make_error(ErrorCode::not_found, "nothing in " + loading.text() + " matches");
  }
  CAIRN_TRY(const std::vector<Planned> wanted, loading.plan(matching));
  std::vector<LoadedValue> loaded;
  std::vector<std::span<std::byte>> into;
  for (const Planned& planned : wanted) {
    loaded.push_back({.info = loading.info(planned), .bytes = std::vector<std::byte>(planned.value.bytes)});
  }
  for (LoadedValue& value : loaded) into.emplace_back(value.bytes);
  CAIRN_CHECK(loading.read(wanted, into));
  return loaded;
}

Status Checkpoints::load_into(std::uint64_t generation, std::span<const LoadTarget> targets) {
  Loading loading(*store_, name_, generation);
  CAIRN_CHECK(loading.open());
  std::vector<const StateValue*> named;
  std::vector<std::span<std::byte>> into;
  for (const LoadTarget& target : targets) {
    CAIRN_TRY(const StateValue* const value, loading.find(target.name));
    named.push_back(value);
    into.push_back(target.into);
  }
  CAIRN_TRY(const std::vector<Planned> wanted, loading.plan(named));
  for (std::size_t i = 0; i < targets.size(); ++i) CAIRN_CHECK(check_target(targets[i], wanted[i], loading.text()));
  return loading.read(wanted, into);
}

Result<std::vector<std::byte>> Checkpoints::load_slice(std::uint64_t generation, const std::string& tensor,
                                                       const std::vector<std::uint64_t>& begin,
                                                       const std::vector<std::uint64_t>& end) {
  Loading loading(*store_, name_, generation);
  CAIRN_CHECK(loading.open());
  CAIRN_TRY(const StateValue* const value, loading.find(tensor));
  CAIRN_TRY(const Planned planned, loading.plan_one(*value));
  const std::string what = "'" + printable(tensor) + "' of " + loading.text();
  if (!planned.tensor) return make_error(ErrorCode::invalid_argument, what + ": is no tensor");
  return read_slice(*store_, what, *planned.tensor, planned.pieces, begin, end);
}

}  // namespace cairn
