// SPDX-License-Identifier: Apache-2.0
//
// Objects and tickets of the C interface.
#include <deque>
#include <memory>

#include "api/c/handle.h"
#include "api/c/put_value.h"

using namespace cairn;  // NOLINT(google-build-using-namespace)
using cairn::c::call;
using cairn::c::need;

namespace {

Result<Milestone> milestone_of(const cairn_ticket* ticket, cairn_milestone which) {
  CAIRN_CHECK(need(ticket, "the ticket"));
  switch (which) {
    case CAIRN_STAGED: return ticket->ticket.staged();
    case CAIRN_SYNCED: return ticket->ticket.synced();
    case CAIRN_COMMITTED: return ticket->ticket.committed();
  }
  return c::wrong("no such milestone");
}

// An object with all that it points to.
struct Described {
  cairn_object object{};
  std::vector<std::uint64_t> shape;
  std::vector<ObjectName> said;
  std::vector<cairn_name> names;
  std::deque<std::vector<cairn_attribute>> attributes;
};

Result<std::unique_ptr<Described>> described(Object object) {
  auto out = std::make_unique<Described>();
  CAIRN_CHECK(c::set(out->object.id, object.id));
  out->object.bytes = object.bytes;
  if (object.tensor) {
    out->shape = std::move(object.tensor->shape);
    out->object.is_tensor = 1;
    out->object.dtype = static_cast<cairn_dtype>(object.tensor->dtype);
  }
  out->object.dimensions = out->shape.size();
  out->object.shape = out->shape.data();
  out->said = std::move(object.names);
  for (const ObjectName& name : out->said) {
    auto& attributes = out->attributes.emplace_back();
    for (const auto& [key, value] : name.attributes) attributes.push_back({key.c_str(), value.c_str()});
    out->names.push_back({name.name.c_str(), name.created_ns, attributes.data(), attributes.size()});
  }
  out->object.names = out->names.data();
  out->object.name_count = out->names.size();
  return out;
}
static_assert(offsetof(Described, object) == 0, "cairn_object_free() is given the object");

}  // namespace

extern "C" {

cairn_code cairn_put(cairn_store* store, const cairn_put_value* value, cairn_id* id) {
  return call([&]() -> Status {
    CAIRN_TRY(c::Request request, c::request_of(value));
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_TRY(const std::string text, store->store.put(std::move(request.put)));
    return id != nullptr ? c::set(*id, text) : Status();
  });
}

cairn_code cairn_put_async(cairn_store* store, const cairn_put_value* value, cairn_ticket** ticket) {
  return call([&]() -> Status {
    CAIRN_TRY(c::Request request, c::request_of(value));
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(ticket, "the place for the ticket"));
    *ticket = new cairn_ticket{store->store.put_async(std::move(request.put), request.options)};
    return {};
  });
}

cairn_code cairn_ticket_wait(const cairn_ticket* ticket, cairn_milestone milestone, int64_t timeout_ns) {
  bool pending = false;
  const cairn_code status = call([&]() -> Status {
    CAIRN_TRY(const Milestone which, milestone_of(ticket, milestone));
    if (timeout_ns < 0) return which.wait();
    auto came = which.wait_for(std::chrono::nanoseconds(timeout_ns));
    if (came) return *std::move(came);
    pending = true;
    return {};
  });
  return pending ? CAIRN_PENDING : status;
}

int cairn_ticket_is_ready(const cairn_ticket* ticket, cairn_milestone milestone) {
  if (ticket == nullptr) return 0;
  const auto which = milestone_of(ticket, milestone);
  return which.ok() && which->ready() ? 1 : 0;
}

cairn_code cairn_ticket_on_ready(const cairn_ticket* ticket, cairn_milestone milestone,
                                 void (*then)(void* context, cairn_code status, const char* message), void* context) {
  return call([&]() -> Status {
    if (then == nullptr) return c::wrong("the function to be called is NULL");
    CAIRN_TRY(const Milestone which, milestone_of(ticket, milestone));
    which.on_ready([then, context](const Status& status) {
      if (status.ok()) return then(context, CAIRN_OK, "");
      then(context, c::code_of(status.error().code), status.error().message.c_str());
    });
    return {};
  });
}

cairn_code cairn_ticket_id(const cairn_ticket* ticket, cairn_id* id) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(ticket, "the ticket"));
    CAIRN_CHECK(need(id, "the place for the id"));
    CAIRN_TRY(const std::string text, ticket->ticket.id());
    return c::set(*id, text);
  });
}

void cairn_ticket_free(cairn_ticket* ticket) { delete ticket; }

cairn_code cairn_get(cairn_store* store, const char* id, void** data, size_t* bytes) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(id, "the id"));
    CAIRN_CHECK(need(data, "the place for the data"));
    CAIRN_CHECK(need(bytes, "the place for the size"));
    CAIRN_TRY(const auto object, store->store.describe(id));
    if (!object) return Error{.code = ErrorCode::not_found, .message = "no object " + std::string(id)};
    struct Free {
      void operator()(void* memory) const { std::free(memory); }
    };
    std::unique_ptr<void, Free> memory(std::malloc(object->bytes > 0 ? object->bytes : 1));
    if (!memory) throw std::bad_alloc();
    CAIRN_CHECK(store->store.get_into(id, {static_cast<std::byte*>(memory.get()), object->bytes}));
    *bytes = object->bytes;
    *data = memory.release();
    return {};
  });
}

cairn_code cairn_get_into(cairn_store* store, const char* id, void* into, size_t bytes) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(id, "the id"));
    if (bytes > 0) CAIRN_CHECK(need(into, "the memory"));
    return store->store.get_into(id, {static_cast<std::byte*>(into), bytes});
  });
}

cairn_code cairn_get_range(cairn_store* store, const char* id, uint64_t offset, void* into, size_t bytes) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(id, "the id"));
    if (bytes > 0) CAIRN_CHECK(need(into, "the memory"));
    return store->store.get_range(id, offset, {static_cast<std::byte*>(into), bytes});
  });
}

cairn_code cairn_get_slice(cairn_store* store, const char* id, size_t dimensions, const uint64_t* begin,
                           const uint64_t* end, void* into, size_t bytes) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(id, "the id"));
    if (dimensions > c::kDimensionsMax) return c::wrong("a slice of more than 64 dimensions");
    if (dimensions > 0) CAIRN_CHECK(need(begin, "where the slice begins"));
    if (dimensions > 0) CAIRN_CHECK(need(end, "where the slice ends"));
    if (bytes > 0) CAIRN_CHECK(need(into, "the memory"));
    CAIRN_TRY(
        const auto slice,
        store->store.get_slice(
            id, dimensions > 0 ? std::vector<std::uint64_t>(begin, begin + dimensions) : std::vector<std::uint64_t>(),
            dimensions > 0 ? std::vector<std::uint64_t>(end, end + dimensions) : std::vector<std::uint64_t>()));
    if (slice.size() != bytes) {
      return c::wrong("the slice has " + std::to_string(slice.size()) + " bytes, and there is room for " +
                      std::to_string(bytes));
    }
    if (bytes > 0) std::memcpy(into, slice.data(), bytes);
    return {};
  });
}

cairn_code cairn_describe(cairn_store* store, const char* id, cairn_object** object) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(id, "the id"));
    CAIRN_CHECK(need(object, "the place for the object"));
    CAIRN_TRY(auto found, store->store.describe(id));
    if (!found) return Error{.code = ErrorCode::not_found, .message = "no object " + std::string(id)};
    CAIRN_TRY(auto out, described(*std::move(found)));
    *object = &out.release()->object;
    return {};
  });
}

void cairn_object_free(cairn_object* object) { delete reinterpret_cast<Described*>(object); }

cairn_code cairn_list(cairn_store* store, int (*visit)(void* context, const cairn_object* object), void* context) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    if (visit == nullptr) return c::wrong("the function to be called is NULL");
    std::string cursor;
    do {
      CAIRN_TRY(ObjectPage page, store->store.list(cursor));
      for (Object& object : page.objects) {
        CAIRN_TRY(const auto one, described(std::move(object)));
        if (visit(context, &one->object) != 0) return {};
      }
      cursor = page.next;
    } while (!cursor.empty());
    return {};
  });
}

cairn_code cairn_remove(cairn_store* store, const char* id) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(id, "the id"));
    CAIRN_TRY(const bool removed, store->store.remove(id));
    return removed ? Status() : Status(Error{.code = ErrorCode::not_found, .message = "no object " + std::string(id)});
  });
}

}  // extern "C"
