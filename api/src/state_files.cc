// SPDX-License-Identifier: Apache-2.0
#include "api/src/state_files.h"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/content/safetensors.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

struct Tensor {
  const StateValue* value = nullptr;
  TensorManifest manifest;
  std::string quoted_name;  // as JSON
};

// JSON holds text alone, and a reader of the format takes one name for something else.
Result<std::string> quoted(const std::string& name) {
  const auto refused = [&](const char* why) {
    return Error{.code = ErrorCode::unsupported,
                 .message = "tensor '" + printable(name) + "' cannot stand in a .safetensors file: its name is " + why};
  };
  if (name == "__metadata__") return refused("reserved there");
  try {
    return Json(name).dump();
  } catch (const Json::exception&) {
    return refused("no UTF-8");
  }
}

}  // namespace

std::string state_tensors_path(const TreeEntry& entry) { return entry.path + "/tensors.safetensors"; }
std::string state_part_path(const TreeEntry& entry, const std::string& name) { return entry.path + "/parts/" + name; }

Result<StateFile> state_tensors_file(StoreImpl& store, const StateManifest& state) {
  std::vector<Tensor> tensors;
  for (const StateValue& value : state.values) {
    if (value.kind != RecordKind::tensor) continue;
    Tensor tensor{.value = &value};
    CAIRN_TRY(tensor.manifest, load_tensor(store.blocks(), value.id));
    if (safetensors_type_name(tensor.manifest.dtype).empty() || tensor.manifest.attribute != 0) {
      return Error{.code = ErrorCode::unsupported,
                   .message = "tensor '" + printable(value.name) + "' cannot stand in a .safetensors file: it has no " +
                              std::string(dtype_name(tensor.manifest.dtype))};
    }
    CAIRN_TRY(tensor.quoted_name, quoted(value.name));
    tensors.push_back(std::move(tensor));
  }
  // Wide elements first: each tensor is then aligned to its own elements.
  std::stable_sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) {
    return dtype_bits(a.manifest.dtype) > dtype_bits(b.manifest.dtype);
  });
  StateFile file;
  std::string header = "{";
  for (const Tensor& tensor : tensors) {
    const std::uint64_t begin = file.pieces.total_bytes, end = begin + tensor.value->bytes;
    if (begin > 0 || header.size() > 1) header += ",";
    header += tensor.quoted_name + ":{\"dtype\":\"" + std::string(safetensors_type_name(tensor.manifest.dtype)) +
              "\",\"shape\":" + Json(tensor.manifest.shape).dump() + ",\"data_offsets\":[" + std::to_string(begin) +
              "," + std::to_string(end) + "]}";
    CAIRN_TRY(const FilePieces pieces, pieces_of_blob(store.blocks(), tensor.manifest.blob, tensor.value->bytes));
    for (Piece piece : pieces.pieces) {
      piece.offset += begin;
      file.pieces.pieces.push_back(piece);
    }
    file.pieces.total_bytes = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  ByteWriter writer(file.head);
  writer.put(static_cast<std::uint64_t>(header.size()));
  writer.put_bytes(as_bytes(header));
  return file;
}

Result<StateFile> state_part_file(StoreImpl& store, const TreeEntry& entry, const StateValue& part) {
  if (const Status valid = check_tree_path(state_part_path(entry, part.name)); !valid.ok()) {
    return make_error(ErrorCode::unsupported,
                      "part '" + printable(part.name) + "' cannot be a file: " + valid.error().message);
  }
  StateFile file;
  CAIRN_TRY(file.pieces, pieces_of_blob(store.blocks(), part.id, part.bytes));
  return file;
}

Result<StateFile> find_state_file(StoreImpl& store, const TreeEntry& entry, const std::string& path) {
  CAIRN_TRY(const StateManifest state, load_state(store.blocks(), entry.blob));
  if (path == state_tensors_path(entry) && entry.tensors > 0) return state_tensors_file(store, state);
  for (const StateValue& value : state.values) {
    if (value.kind == RecordKind::tensor || path != state_part_path(entry, value.name)) continue;
    return state_part_file(store, entry, value);
  }
  return make_error(ErrorCode::not_found, "no '" + printable(path) + "' in it");
}

}  // namespace cairn
