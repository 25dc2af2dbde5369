// SPDX-License-Identifier: Apache-2.0
#include "engine/content/torch_pickle.h"

#include "engine/content/pickle_machine.h"

namespace cairn {
namespace {

using Kind = PickleValue::Kind;

// Deeper objects keep their storages, but their tensors get no names.
constexpr std::size_t kDepthMax = 200;

struct NamedType {
  std::string_view name;
  DType dtype;
};
// Classes of the module "torch"; quantised storages are the integers they hold.
constexpr NamedType kStorageTypes[] = {
    {"FloatStorage", DType::f32},
    {"DoubleStorage", DType::f64},
    {"HalfStorage", DType::f16},
    {"BFloat16Storage", DType::bf16},
    {"LongStorage", DType::i64},
    {"IntStorage", DType::i32},
    {"ShortStorage", DType::i16},
    {"CharStorage", DType::i8},
    {"ByteStorage", DType::u8},
    {"BoolStorage", DType::boolean},
    {"ComplexFloatStorage", DType::complex64},
    {"ComplexDoubleStorage", DType::complex128},
    {"QInt8Storage", DType::i8},
    {"QUInt8Storage", DType::u8},
    {"QInt32Storage", DType::i32},
    {"UntypedStorage", DType::u8},
};
// Objects of the module "torch": what _rebuild_tensor_v3 is told.
constexpr NamedType kElementTypes[] = {
    {"float32", DType::f32},
    {"float64", DType::f64},
    {"float16", DType::f16},
    {"bfloat16", DType::bf16},
    {"int64", DType::i64},
    {"int32", DType::i32},
    {"int16", DType::i16},
    {"int8", DType::i8},
    {"uint8", DType::u8},
    {"uint16", DType::u16},
    {"uint32", DType::u32},
    {"uint64", DType::u64},
    {"bool", DType::boolean},
    {"complex32", DType::complex32},
    {"complex64", DType::complex64},
    {"complex128", DType::complex128},
    {"float8_e4m3fn", DType::f8_e4m3},
    {"float8_e5m2", DType::f8_e5m2},
    {"float8_e4m3fnuz", DType::f8_e4m3fnuz},
    {"float8_e5m2fnuz", DType::f8_e5m2fnuz},
    {"float8_e8m0fnu", DType::f8_e8m0},
};

class TorchWalk {
 public:
  TorchWalk(PickleMachine& machine, TensorCollector& budget, TorchPickle& out)
      : machine_(machine), budget_(budget), out_(out) {}

  // What a persistent id says, if it is a storage's.
  std::optional<PickledStorage> storage(const PickleValue& id) {
    if (id.kind != Kind::tuple) return std::nullopt;
    const auto& items = machine_.node(id).items;
    if (items.size() < 3 || machine_.text(items[0]) != "storage" || items[2].kind != Kind::text) return std::nullopt;
    return PickledStorage{.key = machine_.text(items[2]), .dtype = storage_type(items[1])};
  }

  // Visits every node once: values may be shared, and may hold themselves.
  void walk(const PickleValue& value) {
    if (!machine_.has_node(value) || path_.size() >= kDepthMax || depth_ >= kDepthMax || budget_.exhausted()) return;
    PickleNode& node = machine_.node(value);
    if (node.visited) return;
    node.visited = true;
    ++depth_;
    switch (value.kind) {
      case Kind::list:
      case Kind::tuple:
        for (std::size_t i = 0; i < node.items.size(); ++i) {
          walk_below(PickleValue{Kind::integer, 0, i}, node.items[i]);
        }
        break;
      case Kind::dict: walk_pairs(node, 0); break;
      case Kind::call: walk_call(node); break;
      default: break;
    }
    --depth_;
  }

 private:
  DType type_in(const PickleValue& global, std::span<const NamedType> types, std::string_view module) {
    for (const NamedType& type : types) {
      if (machine_.is_global(global, module, type.name)) return type.dtype;
    }
    return DType::opaque;
  }
  DType storage_type(const PickleValue& global) {
    const DType found = type_in(global, kStorageTypes, "torch");
    return found != DType::opaque ? found : type_in(global, kStorageTypes, "torch.storage");
  }

  void walk_below(const PickleValue& key, const PickleValue& value) {
    if (!machine_.has_node(value)) return;
    path_.push_back(key);
    walk(value);
    path_.pop_back();
  }

  void walk_pairs(const PickleNode& node, std::size_t first) {
    for (std::size_t i = first; i + 1 < node.items.size(); i += 2) {
      const PickleValue& key = node.items[i];
      // A state is part of its object, and adds nothing to the name.
      if (key.kind == Kind::opaque) {
        walk(node.items[i + 1]);
      } else {
        walk_below(key, node.items[i + 1]);
      }
    }
  }

  void walk_call(const PickleNode& call) {
    if (call.items.size() < 2) return;
    const PickleValue& function = call.items[0];
    const PickleValue& arguments = call.items[1];
    if (auto tensor = rebuilt_tensor(function, arguments)) {
      take(std::move(*tensor));
    } else if (arguments.kind == Kind::tuple) {
      const auto& items = machine_.node(arguments).items;
      const bool wraps_one = machine_.is_global(function, "torch._utils", "_rebuild_parameter") ||
                             machine_.is_global(function, "torch._utils", "_rebuild_parameter_with_state");
      if (wraps_one && !items.empty()) {
        walk(items[0]);
      } else if (machine_.is_global(function, "torch._tensor", "_rebuild_from_type_v2") && items.size() >= 3) {
        if (auto inner = rebuilt_tensor(items[0], items[2])) take(std::move(*inner));
      } else {
        // An object that is not known: its parts may be tensors all the same.
        walk(arguments);
      }
    }
    walk_pairs(call, 2);
  }

  // _rebuild_tensor(storage, offset, size, stride); _v2 has more that does not matter here;
  // _v3 has the element type in the place of index 6, and a storage that is untyped.
  std::optional<PickledTensor> rebuilt_tensor(const PickleValue& function, const PickleValue& arguments) {
    const bool v3 = machine_.is_global(function, "torch._utils", "_rebuild_tensor_v3");
    if (!v3 && !machine_.is_global(function, "torch._utils", "_rebuild_tensor_v2") &&
        !machine_.is_global(function, "torch._utils", "_rebuild_tensor")) {
      return std::nullopt;
    }
    if (arguments.kind != Kind::tuple) return std::nullopt;
    const auto& items = machine_.node(arguments).items;
    if (items.size() < (v3 ? 7 : 4) || items[0].kind != Kind::persistent || items[1].kind != Kind::integer) {
      return std::nullopt;
    }
    const auto from = storage(machine_.node(items[0]).items[0]);
    auto shape = integers(items[2]);
    auto strides = integers(items[3]);
    if (!from || !shape || !strides || shape->size() != strides->size()) return std::nullopt;
    return PickledTensor{.name = {},
                         .storage_key = from->key,
                         .dtype = v3 ? type_in(items[6], kElementTypes, "torch") : from->dtype,
                         .first_element = items[1].number,
                         .shape = std::move(*shape),
                         .strides = std::move(*strides)};
  }

  std::optional<std::vector<std::uint64_t>> integers(const PickleValue& tuple) {
    if (tuple.kind == Kind::call) {
      // torch.Size((2, 3))
      const auto& items = machine_.node(tuple).items;
      if (items.size() < 2 || !machine_.is_global(items[0], "torch", "Size") || items[1].kind != Kind::tuple) {
        return std::nullopt;
      }
      const auto& arguments = machine_.node(items[1]).items;
      if (arguments.size() != 1 || arguments[0].kind == Kind::call) return std::nullopt;
      return integers(arguments[0]);
    }
    if (tuple.kind != Kind::tuple) return std::nullopt;
    const auto& items = machine_.node(tuple).items;
    if (items.size() > kDimensionsMax) return std::nullopt;
    std::vector<std::uint64_t> values;
    for (const PickleValue& item : items) {
      if (item.kind != Kind::integer) return std::nullopt;
      values.push_back(item.number);
    }
    return values;
  }

  void take(PickledTensor tensor) {
    // The length comes first: a long key repeated by reference must not be copied for free.
    std::uint64_t bytes = 0;
    for (const PickleValue& part : path_) bytes += 1 + (part.kind == Kind::text ? part.size : 20);
    if (!budget_.charge(3 * sizeof(PickledTensor) + bytes + 16 * tensor.shape.size())) return;
    for (const PickleValue& part : path_) {
      if (!tensor.name.empty()) tensor.name += '.';
      if (part.kind == Kind::text) {
        tensor.name += machine_.text(part);
      } else if (part.kind == Kind::integer) {
        tensor.name += std::to_string(static_cast<std::int64_t>(part.number));
      } else {
        tensor.name += '?';  // a key that is neither: a tuple, say
      }
    }
    // The file holds one tensor and no names.
    if (path_.empty()) tensor.name = "tensor";
    out_.tensors.push_back(std::move(tensor));
  }

  PickleMachine& machine_;
  TensorCollector& budget_;
  TorchPickle& out_;
  std::vector<PickleValue> path_;
  std::size_t depth_ = 0;
};

}  // namespace

TorchPickle read_torch_pickle(Bytes pickle, TensorCollector& budget) {
  TorchPickle out;
  PickleMachine machine(pickle, budget);
  const auto root = machine.run();
  out.broken = machine.why();
  TorchWalk walk(machine, budget, out);
  for (const PickleValue& id : machine.persistent_ids()) {
    const auto storage = walk.storage(id);
    if (!storage) continue;
    if (!budget.charge(3 * sizeof(PickledStorage))) break;
    out.storages.push_back(*storage);
  }
  if (root) walk.walk(*root);
  return out;
}

}  // namespace cairn
