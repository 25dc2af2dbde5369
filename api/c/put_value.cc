// SPDX-License-Identifier: Apache-2.0
#include "api/c/put_value.h"

#include <memory>

namespace cairn::c {

static_assert(static_cast<int>(DType::ggml) == CAIRN_GGML && static_cast<int>(DType::bf16) == CAIRN_BF16);
static_assert(static_cast<int>(Handover::borrow) == CAIRN_BORROW && static_cast<int>(OnFull::drop) == CAIRN_DROP);

namespace {

constexpr cairn_put_value kPutDefaults = CAIRN_PUT_INIT;

// Of one behind the other, as far apart as the first one's size says.
const cairn_put_value* value_at(const cairn_put_value* given, std::size_t at) {
  return reinterpret_cast<const cairn_put_value*>(reinterpret_cast<const std::byte*>(given) + at * given->size);
}

// Calls what the caller wants to be called when the bytes are needed no more, once.
class Release {
 public:
  // Of a value that nothing else was looked at of.
  explicit Release(const cairn_put_value& value) noexcept {
    if (value.size < offsetof(cairn_put_value, context) + sizeof value.context) return;
    if (value.handover == CAIRN_MOVE) release_ = value.release;
    context_ = value.context;
  }
  Release(Release&& other) noexcept : release_(std::exchange(other.release_, nullptr)), context_(other.context_) {}
  Release& operator=(Release&&) = delete;
  ~Release() { now(); }
  void now() {
    if (auto* release = std::exchange(release_, nullptr)) release(context_);
  }

 private:
  void (*release_)(void*) = nullptr;
  void* context_ = nullptr;
};

Result<Request> request_of(const cairn_put_value* given, Release guard);

}  // namespace

Result<TensorLayout> layout_of(int dtype, std::size_t dimensions, const std::uint64_t* shape) {
  if (dimensions > kDimensionsMax) return wrong("a tensor of more than 64 dimensions");
  if (dimensions > 0) CAIRN_CHECK(need(shape, "the shape"));
  if (dtype < 0 || dtype > 255 || !dtype_is_valid(static_cast<std::uint8_t>(dtype))) {
    return wrong("no such element type: " + std::to_string(dtype));
  }
  TensorLayout layout{.dtype = static_cast<DType>(dtype)};
  if (dimensions > 0) layout.shape.assign(shape, shape + dimensions);
  return layout;
}

Result<Request> request_of(const cairn_put_value* given) {
  CAIRN_CHECK(need(given, "the value"));
  return request_of(given, Release(*given));
}

namespace {

Result<Request> request_of(const cairn_put_value* given, Release guard) {
  CAIRN_TRY(const cairn_put_value value, options_of(given, kPutDefaults));
  const bool moves = value.handover == CAIRN_MOVE;
  const auto release = std::make_shared<Release>(std::move(guard));
  if (value.handover < CAIRN_COPY || value.handover > CAIRN_BORROW) return wrong("no such handover");
  if (value.on_full < CAIRN_BLOCK || value.on_full > CAIRN_DROP) return wrong("no such way when it is full");
  if (value.bytes > 0) CAIRN_CHECK(need(value.data, "the data"));
  Request request;
  request.put.bytes = {static_cast<const std::byte*>(value.data), value.bytes};
  if (value.is_tensor != 0) {
    CAIRN_TRY(TensorLayout layout, layout_of(value.dtype, value.dimensions, value.shape));
    if (value.strides != nullptr) {
      layout.strides.assign(value.strides, value.strides + value.dimensions);
      layout.first = value.first;
    }
    request.put.tensor = std::move(layout);
  }
  request.put.handover = static_cast<Handover>(value.handover);
  if (moves) request.put.release = [release] { release->now(); };
  request.put.name = text_of(value.name);
  for (std::size_t i = 0; i < value.attribute_count; ++i) {
    CAIRN_CHECK(need(value.attributes, "the attributes"));
    CAIRN_CHECK(need(value.attributes[i].name, "an attribute's name"));
    request.put.attributes[value.attributes[i].name] = text_of(value.attributes[i].value);
  }
  request.options = {.on_full = static_cast<OnFull>(value.on_full),
                     .durability = value.lazy != 0 ? Durability::lazy : Durability::grouped};
  return request;
}

}  // namespace

Result<std::vector<Request>> requests_of(const cairn_put_value* given, std::size_t count) {
  if (count > 0) CAIRN_CHECK(need(given, "the values"));
  std::vector<Release> guards;
  try {
    guards.reserve(count);
  } catch (const std::exception&) {
    for (std::size_t i = 0; i < count; ++i) Release(*value_at(given, i)).now();
    throw;
  }
  for (std::size_t i = 0; i < count; ++i) guards.emplace_back(*value_at(given, i));
  std::vector<Request> requests;
  std::optional<Error> first;
  for (std::size_t i = 0; i < count; ++i) {
    auto request = request_of(value_at(given, i), std::move(guards[i]));
    if (request.ok()) {
      requests.push_back(std::move(request).value());
    } else if (!first) {
      first = std::move(request).error();
    }
  }
  if (first) return *std::move(first);
  return requests;
}

}  // namespace cairn::c
