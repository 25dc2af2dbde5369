/* SPDX-License-Identifier: Apache-2.0
 *
 * Cairn for programs in C, and for whatever calls C.
 *
 * Every call that may fail returns a cairn_code; what went wrong is told by cairn_error_message() and the calls beside
 * it, for the last failure of the calling thread. Where a call fails, what it would have returned is left as it was.
 *
 * Handles are opaque. A store is used by any number of threads, until it is closed; what was got from it (tickets,
 * runs) is freed before. Texts are UTF-8 and end with a zero; keys of results are any bytes. What the library hands out
 * is given back with the call that its own comment names; cairn_free() otherwise. NULL may be given back too.
 *
 * Structures of options begin with their size, so that they can grow: begin with their _INIT, which means the defaults,
 * and set what is to be something else. Numbers of enumerations never change their meaning.
 */
#ifndef CAIRN_H
#define CAIRN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CAIRN_API __attribute__((visibility("default")))
#define CAIRN_CHECKED __attribute__((warn_unused_result))
#else
#define CAIRN_API
#define CAIRN_CHECKED
#endif

/* --- Errors ------------------------------------------------------------------------------------------------------- */

typedef enum cairn_code {
  CAIRN_OK = 0,
  CAIRN_INVALID_ARGUMENT = 1,    /* the call itself is wrong; repeating it cannot help */
  CAIRN_NOT_FOUND = 2,           /* no such name, object, key or file */
  CAIRN_NO_STORE = 3,            /* the folder holds no store */
  CAIRN_ALREADY_EXISTS = 4,      /* something is there already */
  CAIRN_HELD = 5,                /* another process has the store open for writing */
  CAIRN_CORRUPTION = 6,          /* bytes that were stored are not the bytes read */
  CAIRN_UNSUPPORTED = 7,         /* a newer format, or what this build lacks */
  CAIRN_NO_SPACE = 8,            /* the disk or a budget is full */
  CAIRN_IO = 9,                  /* the operating system refused; see cairn_error_errno() */
  CAIRN_POISONED = 10,           /* an earlier sync failed; the store must be closed and opened again */
  CAIRN_CANCELLED = 11,          /* somebody asked to stop */
  CAIRN_RESOURCE_EXHAUSTED = 12, /* no memory, or a limit that protects the process */
  CAIRN_OVERLOADED = 13,         /* the writer's budget is full */
  CAIRN_CONFLICT = 14,           /* what the call relied on has changed */
  CAIRN_PENDING = 100            /* of cairn_ticket_wait(): the time was too short */
} cairn_code;

/* "not_found", …; "unknown" for a number that is none. Never freed. */
CAIRN_API const char* cairn_code_name(cairn_code status);
/* Of the last call that failed on this thread, in words that name the thing and hold no secret; "" when none has. Valid
 * until another call fails on this thread. */
CAIRN_API const char* cairn_error_message(void);
/* 0: the operating system gave none. */
CAIRN_API int cairn_error_errno(void);
/* Whether the same call may succeed later. */
CAIRN_API int cairn_error_is_retryable(void);

/* "0.1.0" of the library, which may be newer than this header. Never freed. */
CAIRN_API const char* cairn_version(void);
CAIRN_API void cairn_free(void* memory);

/* --- Stores ------------------------------------------------------------------------------------------------------- */

typedef struct cairn_store cairn_store;

typedef enum cairn_open_mode {
  CAIRN_OPEN_EXISTING = 0,
  CAIRN_OPEN_CREATE = 1,   /* made when it is missing */
  CAIRN_OPEN_EXCLUSIVE = 2 /* made; CAIRN_ALREADY_EXISTS when it is there */
} cairn_open_mode;

typedef struct cairn_open_options {
  size_t size;
  cairn_open_mode mode;
  int read_only;
  unsigned threads;           /* that digest, encode and decode; 0: one per processor */
  uint64_t writer_bytes;      /* accepted and not yet written; 0: 256 MiB */
  uint64_t disk_budget_bytes; /* that the store's folder takes at most; 0: no limit */
  int reclaims;               /* gives space back by itself, in a thread of its own */
  const char* read_through;   /* names of mirrors that are asked for what is not here; NULL: none */
} cairn_open_options;
#define CAIRN_OPEN_OPTIONS_INIT \
  { sizeof(cairn_open_options), CAIRN_OPEN_EXISTING, 0, 0, 0, 0, 0, NULL }

/* `options` may be NULL. CAIRN_HELD names the process that has it. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_open(const char* path, const cairn_open_options* options, cairn_store** store);
/* Waits for what was put, and frees the handle, also when it fails. */
CAIRN_API cairn_code cairn_close(cairn_store* store);
/* Everything that was accepted before is committed. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_sync(cairn_store* store);
/* Gives back the space of what was removed; `freed_bytes` may be NULL. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_gc(cairn_store* store, uint64_t* freed_bytes);
/* Verifies records, and with `read_data` all content. CAIRN_CORRUPTION: the message names the first damage, and
 * `damaged` (may be NULL) says how many there are. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_check(cairn_store* store, int read_data, uint64_t* damaged);
/* In the text format of Prometheus; cairn_free(). */
CAIRN_API CAIRN_CHECKED cairn_code cairn_metrics_text(cairn_store* store, char** text);

/* --- Objects ------------------------------------------------------------------------------------------------------ */

/* A digest as text; of a blob, that of its bytes. */
typedef struct cairn_id {
  char text[96];
} cairn_id;

/* Element types; the numbers are those of the format. */
typedef enum cairn_dtype {
  CAIRN_OPAQUE = 0,
  CAIRN_BOOL = 1,
  CAIRN_U8 = 2,
  CAIRN_I8 = 3,
  CAIRN_U16 = 4,
  CAIRN_I16 = 5,
  CAIRN_U32 = 6,
  CAIRN_I32 = 7,
  CAIRN_U64 = 8,
  CAIRN_I64 = 9,
  CAIRN_F16 = 10,
  CAIRN_BF16 = 11,
  CAIRN_F32 = 12,
  CAIRN_F64 = 13,
  CAIRN_F8_E4M3 = 14,
  CAIRN_F8_E5M2 = 15,
  CAIRN_F8_E4M3FNUZ = 16,
  CAIRN_F8_E5M2FNUZ = 17,
  CAIRN_F8_E8M0 = 18,
  CAIRN_COMPLEX64 = 19,
  CAIRN_COMPLEX128 = 20,
  CAIRN_COMPLEX32 = 21,
  CAIRN_I4 = 22, /* packed, as the four that follow: the shape counts elements */
  CAIRN_U4 = 23,
  CAIRN_F4_E2M1 = 24,
  CAIRN_F6_E2M3 = 25,
  CAIRN_F6_E3M2 = 26,
  CAIRN_GGML = 27
} cairn_dtype;

typedef enum cairn_handover {
  CAIRN_COPY = 0,  /* copied before the call returns */
  CAIRN_MOVE = 1,  /* read where it is, until `release` is called */
  CAIRN_BORROW = 2 /* read where it is: unchanged until the ticket is CAIRN_STAGED */
} cairn_handover;

typedef enum cairn_on_full {
  CAIRN_BLOCK = 0,
  CAIRN_FAIL = 1, /* CAIRN_OVERLOADED */
  CAIRN_DROP = 2  /* the same, and counted */
} cairn_on_full;

typedef struct cairn_attribute {
  const char* name;
  const char* value;
} cairn_attribute;

/* One value: a blob, or with `is_tensor` a tensor, row-major and contiguous unless there are strides (in elements, one
 * for each dimension). All but the bytes is copied by the call that takes it. */
typedef struct cairn_put_value {
  size_t size;
  const void* data;
  size_t bytes;
  int is_tensor;
  cairn_dtype dtype;
  size_t dimensions;
  const uint64_t* shape;
  const int64_t* strides; /* NULL: contiguous */
  uint64_t first;         /* with strides: the element that is [0, …, 0] */
  cairn_handover handover;
  /* With CAIRN_MOVE: called once, on any thread, whatever became of the put, also when the call fails. It must not call
   * the store. */
  void (*release)(void* context);
  void* context;
  const char* name; /* NULL or "": none */
  const cairn_attribute* attributes;
  size_t attribute_count;
  cairn_on_full on_full; /* of cairn_put_async() */
  int lazy;              /* synced when another put or cairn_sync() asks */
} cairn_put_value;
#define CAIRN_PUT_INIT                                                                                          \
  {                                                                                                             \
    sizeof(cairn_put_value), NULL, 0, 0, CAIRN_OPAQUE, 0, NULL, NULL, 0, CAIRN_COPY, NULL, NULL, NULL, NULL, 0, \
        CAIRN_BLOCK, 0                                                                                          \
  }

/* Returns once it is committed: it survives power loss. `id` may be NULL. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_put(cairn_store* store, const cairn_put_value* value, cairn_id* id);

typedef struct cairn_ticket cairn_ticket;

typedef enum cairn_milestone {
  CAIRN_STAGED = 0,   /* the memory may be changed or freed, also when this has failed */
  CAIRN_SYNCED = 1,   /* it survives power loss */
  CAIRN_COMMITTED = 2 /* readers in other processes find it too */
} cairn_milestone;

/* Returns when it is accepted; what becomes of it is in the ticket, which is freed with cairn_ticket_free(). */
CAIRN_API CAIRN_CHECKED cairn_code cairn_put_async(cairn_store* store, const cairn_put_value* value,
                                                   cairn_ticket** ticket);
/* `timeout_ns` below 0: as long as it takes. An error means that the outcome is unknown: repeating the put is safe. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_ticket_wait(const cairn_ticket* ticket, cairn_milestone milestone,
                                                     int64_t timeout_ns);
/* Whether it has come, or failed. Never waits. */
CAIRN_API int cairn_ticket_is_ready(const cairn_ticket* ticket, cairn_milestone milestone);
/* Calls `then` once: here and now when it has come, else on another thread, which it must not keep. `message` is valid
 * for the call, and "" when all is well. The ticket may be freed before. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_ticket_on_ready(const cairn_ticket* ticket, cairn_milestone milestone,
                                                         void (*then)(void* context, cairn_code status,
                                                                      const char* message),
                                                         void* context);
/* Waits until the content is digested. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_ticket_id(const cairn_ticket* ticket, cairn_id* id);
/* Changes nothing about the put. */
CAIRN_API void cairn_ticket_free(cairn_ticket* ticket);

typedef struct cairn_name {
  const char* name; /* may be "" */
  int64_t created_ns;
  const cairn_attribute* attributes;
  size_t attribute_count;
} cairn_name;

typedef struct cairn_object {
  cairn_id id;
  uint64_t bytes;
  int is_tensor;
  cairn_dtype dtype;
  size_t dimensions;
  const uint64_t* shape;
  const cairn_name* names; /* at least one */
  size_t name_count;
} cairn_object;

/* The content, verified; cairn_free(). */
CAIRN_API CAIRN_CHECKED cairn_code cairn_get(cairn_store* store, const char* id, void** data, size_t* bytes);
/* `bytes` is the object's exact size. On failure there is rubbish in `into`. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_get_into(cairn_store* store, const char* id, void* into, size_t bytes);
/* Reads only the blocks that hold [offset, offset + bytes). */
CAIRN_API CAIRN_CHECKED cairn_code cairn_get_range(cairn_store* store, const char* id, uint64_t offset, void* into,
                                                   size_t bytes);
/* Elements begin[d] to end[d] (exclusive) of each dimension of a tensor, row-major; `bytes` is their exact size. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_get_slice(cairn_store* store, const char* id, size_t dimensions,
                                                   const uint64_t* begin, const uint64_t* end, void* into,
                                                   size_t bytes);
/* CAIRN_NOT_FOUND when there is no such object; cairn_object_free(). */
CAIRN_API CAIRN_CHECKED cairn_code cairn_describe(cairn_store* store, const char* id, cairn_object** object);
CAIRN_API void cairn_object_free(cairn_object* object);
/* All objects, by id, each valid for the call of `visit`; other than 0 from that ends it, with CAIRN_OK. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_list(cairn_store* store,
                                              int (*visit)(void* context, const cairn_object* object), void* context);
/* With all its names, durably. CAIRN_NOT_FOUND when there is no such object. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_remove(cairn_store* store, const char* id);

/* --- Checkpoints -------------------------------------------------------------------------------------------------- */

/* A checkpoint is a set of named values under an experiment and a generation; it becomes visible whole. */

typedef struct cairn_number {
  const char* name;
  double value;
} cairn_number;

typedef struct cairn_save_options {
  size_t size;
  const cairn_number* metrics;
  size_t metric_count;
  const cairn_attribute* metadata;
  size_t metadata_count;
  uint64_t keep_last; /* of the experiment, once this one is there; 0: all */
  cairn_on_full on_full;
  int lazy;
} cairn_save_options;
#define CAIRN_SAVE_OPTIONS_INIT \
  { sizeof(cairn_save_options), NULL, 0, NULL, 0, 0, CAIRN_BLOCK, 0 }

/* Where a value goes: `bytes` is its exact size. With `is_tensor` the dtype and shape must be its own. */
typedef struct cairn_target {
  size_t size;
  const char* name;
  void* into;
  size_t bytes;
  int is_tensor;
  cairn_dtype dtype;
  size_t dimensions;
  const uint64_t* shape;
} cairn_target;
#define CAIRN_TARGET_INIT \
  { sizeof(cairn_target), NULL, NULL, 0, 0, CAIRN_OPAQUE, 0, NULL }

typedef struct cairn_value {
  const char* name;
  cairn_id id;
  uint64_t bytes;
  int is_tensor;
  cairn_dtype dtype;
  size_t dimensions;
  const uint64_t* shape;
} cairn_value;

/* Hands the values over as cairn_put_async() does each; their names are unique, their attributes, on_full and lazy mean
 * nothing. What becomes of it is in the ticket. `options` may be NULL. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_save(cairn_store* store, const char* experiment, uint64_t generation,
                                              const cairn_put_value* values, size_t count,
                                              const cairn_save_options* options, cairn_ticket** ticket);
/* The highest generation. CAIRN_NOT_FOUND when there is none. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_latest(cairn_store* store, const char* experiment, uint64_t* generation);
/* By a metric: the highest, or the lowest. CAIRN_NOT_FOUND when no checkpoint has it. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_best(cairn_store* store, const char* experiment, const char* metric,
                                              int highest, uint64_t* generation);
/* What it holds, by name, as cairn_list() does. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_values(cairn_store* store, const char* experiment, uint64_t generation,
                                                int (*visit)(void* context, const cairn_value* value), void* context);
/* The values that are named, into the caller's memory, verified. The error names the first that is missing or differs
 * in size, dtype or shape: nothing was written then. After another failure there is rubbish in it. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_load_into(cairn_store* store, const char* experiment, uint64_t generation,
                                                   const cairn_target* targets, size_t count);
/* One generation, durably. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_remove_checkpoint(cairn_store* store, const char* experiment,
                                                           uint64_t generation);

/* --- Archives ----------------------------------------------------------------------------------------------------- */

/* Adds files or folders as the next version of `name`; `version` may be NULL. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_add(cairn_store* store, const char* const* paths, size_t path_count,
                                             const char* name, uint64_t* version);
/* `ref` is "NAME", the latest, or "NAME@VERSION"; `to` a folder. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_restore(cairn_store* store, const char* ref, const char* to);

/* --- Results ------------------------------------------------------------------------------------------------------ */

typedef struct cairn_result_options {
  size_t size;
  const char* serializer; /* NULL: "bytes" */
  int64_t ttl_ns;         /* 0: it stays */
  const char* experiment; /* NULL: none */
  int64_t cost_ns;        /* that computing it took; 0: it is never evicted */
} cairn_result_options;
#define CAIRN_RESULT_OPTIONS_INIT \
  { sizeof(cairn_result_options), NULL, 0, NULL, 0 }

/* Durable once it returns. `options` and `version` may be NULL; `name_space` may be "". */
CAIRN_API CAIRN_CHECKED cairn_code cairn_result_put(cairn_store* store, const char* name_space, const void* key,
                                                    size_t key_bytes, const void* data, size_t bytes,
                                                    const cairn_result_options* options, uint64_t* version);
/* CAIRN_NOT_FOUND when it is not there, or its time is over. `data` and `serializer` (may be NULL): cairn_free(). */
CAIRN_API CAIRN_CHECKED cairn_code cairn_result_get(cairn_store* store, const char* name_space, const void* key,
                                                    size_t key_bytes, void** data, size_t* bytes, char** serializer);
/* CAIRN_NOT_FOUND when it was not there. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_result_remove(cairn_store* store, const char* name_space, const void* key,
                                                       size_t key_bytes);

/* --- Metrics ------------------------------------------------------------------------------------------------------ */

typedef struct cairn_run cairn_run;

typedef enum cairn_metric_kind { CAIRN_REAL = 1, CAIRN_INTEGER = 2, CAIRN_TEXT = 3 } cairn_metric_kind;

typedef struct cairn_metric {
  const char* name;
  cairn_metric_kind kind;
  double real;
  int64_t integer;
  const char* text;
} cairn_metric;

typedef struct cairn_point {
  int64_t step;
  int64_t time_ns;
  double value;
} cairn_point;

/* A new run, or one to go on with; cairn_run_free(), before the store is closed. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_run_open(cairn_store* store, const char* name, cairn_run** run);
/* One row, now. Goes into memory; written a little later, or by cairn_metrics_flush(). */
CAIRN_API CAIRN_CHECKED cairn_code cairn_run_log(cairn_run* run, int64_t step, const cairn_metric* values,
                                                 size_t count);
CAIRN_API void cairn_run_free(cairn_run* run);
/* What was logged before is durable. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_metrics_flush(cairn_store* store);
/* By step; cairn_free(). CAIRN_NOT_FOUND when there is no such run; a series that it has not is empty. */
CAIRN_API CAIRN_CHECKED cairn_code cairn_metrics_query(cairn_store* store, const char* run, const char* series,
                                                       cairn_point** points, size_t* count);

#ifdef __cplusplus
}
#endif
#endif
