/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects and tickets.
 */
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <time.h>

#include "check.h"

void test_objects(void) {
  cairn_store* store = new_store();
  const cairn_attribute attributes[] = {{"layer", "dense"}, {"run", "7"}};
  cairn_put_value value = value_of("some content", 12);
  cairn_object* object = NULL;
  cairn_id id, again;
  char buffer[12], part[4];
  void* data = NULL;
  size_t bytes = 0;
  value.name = "greeting";
  value.attributes = attributes;
  value.attribute_count = 2;
  CHECK_OK(cairn_put(store, &value, &id));
  value.name = NULL;
  value.attribute_count = 0;
  CHECK_OK(cairn_put(store, &value, &again));
  CHECK(strcmp(id.text, again.text) == 0 && strlen(id.text) >= 32);

  CHECK_OK(cairn_get(store, id.text, &data, &bytes));
  CHECK(bytes == 12 && memcmp(data, "some content", 12) == 0);
  cairn_free(data);
  CHECK_OK(cairn_get_into(store, id.text, buffer, 12));
  CHECK(memcmp(buffer, "some content", 12) == 0);
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_get_into(store, id.text, buffer, 11));
  CHECK_OK(cairn_get_range(store, id.text, 5, part, 4));
  CHECK(memcmp(part, "cont", 4) == 0);
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_get_range(store, id.text, 9, part, 4));

  CHECK_OK(cairn_describe(store, id.text, &object));
  CHECK(strcmp(object->id.text, id.text) == 0 && object->bytes == 12 && !object->is_tensor);
  CHECK(object->dimensions == 0 && object->name_count == 2);
  CHECK(object->names[0].name[0] == '\0' && strcmp(object->names[1].name, "greeting") == 0);
  CHECK(object->names[1].attribute_count == 2 && strcmp(object->names[1].attributes[0].value, "dense") == 0);
  CHECK(object->names[1].created_ns > 0);
  cairn_object_free(object);
  cairn_object_free(NULL);

  value = value_of(NULL, 0);
  CHECK_OK(cairn_put(store, &value, &again));
  CHECK_OK(cairn_get(store, again.text, &data, &bytes));
  CHECK(bytes == 0 && data != NULL);
  cairn_free(data);
  value.bytes = 1;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_put(store, &value, NULL));

  CHECK_OK(cairn_remove(store, id.text));
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_remove(store, id.text));
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_get(store, id.text, &data, &bytes));
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_describe(store, id.text, &object));
  CHECK(cairn_get(store, "no id", &data, &bytes) != CAIRN_OK);
  CHECK_OK(cairn_close(store));
}

void test_tensors(void) {
  cairn_store* store = new_store();
  const float values[6] = {0, 1, 2, 3, 4, 5};
  const uint64_t shape[2] = {2, 3}, transposed[2] = {3, 2};
  const int64_t strides[2] = {1, 3};
  const uint64_t begin[2] = {0, 1}, end[2] = {2, 3}, beyond[2] = {2, 4};
  cairn_put_value value = value_of(values, sizeof values);
  cairn_object* object = NULL;
  cairn_id id, other;
  float slice[4], columns[6];
  value.is_tensor = 1;
  value.dtype = CAIRN_F32;
  value.dimensions = 2;
  value.shape = shape;
  CHECK_OK(cairn_put(store, &value, &id));
  CHECK_OK(cairn_describe(store, id.text, &object));
  CHECK(object->is_tensor && object->dtype == CAIRN_F32 && object->dimensions == 2);
  CHECK(object->shape[0] == 2 && object->shape[1] == 3);
  cairn_object_free(object);
  CHECK_OK(cairn_get_slice(store, id.text, 2, begin, end, slice, sizeof slice));
  CHECK(slice[0] == 1 && slice[1] == 2 && slice[2] == 4 && slice[3] == 5);
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_get_slice(store, id.text, 2, begin, end, slice, sizeof slice - 4));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_get_slice(store, id.text, 2, begin, beyond, slice, sizeof slice));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_get_slice(store, id.text, 2, NULL, end, slice, sizeof slice));

  value.shape = transposed;
  value.strides = strides;
  CHECK_OK(cairn_put(store, &value, &other));
  CHECK_OK(cairn_get_into(store, other.text, columns, sizeof columns));
  CHECK(columns[0] == 0 && columns[1] == 3 && columns[2] == 1 && columns[5] == 5);

  value.dtype = (cairn_dtype)200;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_put(store, &value, NULL));
  value.dtype = CAIRN_F32;
  value.shape = NULL;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_put(store, &value, NULL));
  value.dimensions = 1000;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_put(store, &value, NULL));
  CHECK_OK(cairn_close(store));
}

/* What a callback has told, for whoever waits for it. */
struct told {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int times;
  cairn_code code;
  char message[256];
};

static void tell(void* context, cairn_code code, const char* message) {
  struct told* told = context;
  pthread_mutex_lock(&told->mutex);
  ++told->times;
  told->code = code;
  snprintf(told->message, sizeof told->message, "%s", message);
  pthread_cond_signal(&told->changed);
  pthread_mutex_unlock(&told->mutex);
}

static void wait_until_told(struct told* told, int times) {
  pthread_mutex_lock(&told->mutex);
  while (told->times < times) pthread_cond_wait(&told->changed, &told->mutex);
  pthread_mutex_unlock(&told->mutex);
}

void test_tickets(void) {
  struct told told = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, CAIRN_PENDING, ""};
  cairn_store* store = new_store();
  cairn_put_value value = value_of("asynchronously", 14);
  cairn_ticket* ticket = NULL;
  cairn_ticket* refused = NULL;
  cairn_id id;
  void* data = NULL;
  size_t bytes = 0;
  value.lazy = 1;
  CHECK_OK(cairn_put_async(store, &value, &ticket));
  CHECK_OK(cairn_ticket_on_ready(ticket, CAIRN_COMMITTED, tell, &told));
  CHECK_OK(cairn_ticket_wait(ticket, CAIRN_STAGED, -1));
  CHECK(cairn_ticket_is_ready(ticket, CAIRN_STAGED));
  CHECK_OK(cairn_ticket_id(ticket, &id));
  CHECK_OK(cairn_ticket_wait(ticket, CAIRN_SYNCED, -1));
  CHECK_OK(cairn_ticket_wait(ticket, CAIRN_COMMITTED, 60000000000));
  CHECK(cairn_ticket_is_ready(ticket, CAIRN_COMMITTED));
  wait_until_told(&told, 1);
  CHECK(told.code == CAIRN_OK && told.message[0] == '\0');
  CHECK_OK(cairn_ticket_on_ready(ticket, CAIRN_STAGED, tell, &told));
  CHECK(told.times == 2);
  CHECK_OK(cairn_get(store, id.text, &data, &bytes));
  CHECK(bytes == 14);
  cairn_free(data);

  /* What the call got wrong is told by the ticket. */
  value.is_tensor = 1;
  value.dtype = CAIRN_F32;
  CHECK_OK(cairn_put_async(store, &value, &refused));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_ticket_wait(refused, CAIRN_COMMITTED, -1));
  CHECK_OK(cairn_ticket_on_ready(refused, CAIRN_COMMITTED, tell, &told));
  wait_until_told(&told, 3);
  CHECK(told.code == CAIRN_INVALID_ARGUMENT && told.message[0] != '\0');
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_ticket_id(refused, &id));

  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_ticket_wait(ticket, (cairn_milestone)9, -1));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_ticket_wait(NULL, CAIRN_STAGED, -1));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_ticket_on_ready(ticket, CAIRN_STAGED, NULL, NULL));
  CHECK(!cairn_ticket_is_ready(NULL, CAIRN_STAGED));
  cairn_ticket_free(ticket);
  cairn_ticket_free(refused);
  cairn_ticket_free(NULL);

  /* Nobody asks for what is lazy: it is pending until somebody does. */
  value = value_of("lazily", 6);
  value.lazy = 1;
  CHECK_OK(cairn_put_async(store, &value, &ticket));
  CHECK_OK(cairn_sync(store));
  CHECK(cairn_ticket_is_ready(ticket, CAIRN_COMMITTED));
  cairn_ticket_free(ticket);
  CHECK_OK(cairn_close(store));
}

static void count(void* context) { ++*(int*)context; }

void test_release(void) {
  cairn_store* store = new_store();
  cairn_put_value value = value_of("moved", 5);
  cairn_ticket* ticket = NULL;
  int released = 0;
  value.handover = CAIRN_MOVE;
  value.release = count;
  value.context = &released;
  CHECK_OK(cairn_put(store, &value, NULL));
  CHECK(released == 1);
  /* Whatever becomes of it. */
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_put(NULL, &value, NULL));
  CHECK(released == 2);
  value.dtype = (cairn_dtype)200;
  value.is_tensor = 1;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_put(store, &value, NULL));
  CHECK(released == 3);
  value.dtype = CAIRN_F64; /* of which five bytes are none */
  CHECK_OK(cairn_put_async(store, &value, &ticket));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_ticket_wait(ticket, CAIRN_STAGED, -1));
  CHECK(released == 4);
  cairn_ticket_free(ticket);
  value.is_tensor = 0;
  value.on_full = (cairn_on_full)8;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_put(store, &value, NULL));
  CHECK(released == 5);
  {
    struct {
      cairn_put_value known;
      unsigned char later[8];
    } newer;
    memset(&newer, 0, sizeof newer);
    newer.known = value_of("moved", 5);
    newer.known.size = sizeof newer;
    newer.known.handover = CAIRN_MOVE;
    newer.known.release = count;
    newer.known.context = &released;
    newer.later[0] = 1; /* an option that this library does not know */
    CHECK_FAILS(CAIRN_UNSUPPORTED, cairn_put(store, &newer.known, NULL));
    CHECK(released == 6);
    released = 5;
  }
  /* What is not handed over is not released. */
  value.on_full = CAIRN_BLOCK;
  value.handover = CAIRN_BORROW;
  CHECK_OK(cairn_put(store, &value, NULL));
  CHECK(released == 5);
  CHECK_OK(cairn_close(store));
}

struct seen {
  int objects, stop_after;
  char last[96];
};

static int look(void* context, const cairn_object* object) {
  struct seen* seen = context;
  CHECK(object->name_count >= 1 && object->bytes == 8);
  CHECK(strcmp(seen->last, object->id.text) < 0);
  snprintf(seen->last, sizeof seen->last, "%s", object->id.text);
  return ++seen->objects == seen->stop_after;
}

void test_list(void) {
  cairn_store* store = new_store();
  struct seen seen = {0, 0, ""};
  char content[9];
  int i;
  CHECK_OK(cairn_list(store, look, &seen));
  CHECK(seen.objects == 0);
  for (i = 0; i < 1100; ++i) { /* more than a page */
    cairn_put_value value = value_of(content, 8);
    cairn_ticket* ticket = NULL;
    snprintf(content, sizeof content, "%08d", i);
    CHECK_OK(cairn_put_async(store, &value, &ticket));
    cairn_ticket_free(ticket);
  }
  CHECK_OK(cairn_sync(store));
  CHECK_OK(cairn_list(store, look, &seen));
  CHECK(seen.objects == 1100);
  memset(&seen, 0, sizeof seen);
  seen.stop_after = 5;
  CHECK_OK(cairn_list(store, look, &seen));
  CHECK(seen.objects == 5);
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_list(store, NULL, NULL));
  CHECK_OK(cairn_close(store));
}
