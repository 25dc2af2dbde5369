/* SPDX-License-Identifier: Apache-2.0
 *
 * Results and metrics.
 */
#include "check.h"

void test_results(void) {
  cairn_store* store = new_store();
  cairn_result_options options = CAIRN_RESULT_OPTIONS_INIT;
  const char key[] = {'k', '\0', 'y'};
  void* data = NULL;
  size_t bytes = 0;
  char* serializer = NULL;
  uint64_t first = 0, second = 0;
  CHECK_OK(cairn_result_put(store, "eval", key, sizeof key, "0.5", 3, NULL, &first));
  options.serializer = "json";
  options.experiment = "search";
  options.ttl_ns = 3600000000000;
  options.cost_ns = 1000;
  CHECK_OK(cairn_result_put(store, "eval", key, sizeof key, "0.75", 4, &options, &second));
  CHECK(second > first);
  CHECK_OK(cairn_result_get(store, "eval", key, sizeof key, &data, &bytes, &serializer));
  CHECK(bytes == 4 && memcmp(data, "0.75", 4) == 0 && strcmp(serializer, "json") == 0);
  cairn_free(data);
  cairn_free(serializer);
  CHECK_OK(cairn_result_get(store, "eval", key, sizeof key, &data, &bytes, NULL));
  cairn_free(data);
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_result_get(store, "", key, sizeof key, &data, &bytes, NULL));
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_result_get(store, "eval", key, 1, &data, &bytes, NULL));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_result_put(store, "eval", key, sizeof key, "{", 1, &options, NULL));
  options.ttl_ns = -1;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_result_put(store, "eval", key, sizeof key, "1", 1, &options, NULL));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_result_put(store, "eval", NULL, 3, "1", 1, NULL, NULL));
  CHECK_OK(cairn_result_put(store, NULL, "empty", 5, NULL, 0, NULL, NULL));
  CHECK_OK(cairn_result_get(store, "", "empty", 5, &data, &bytes, NULL));
  CHECK(bytes == 0 && data != NULL);
  cairn_free(data);
  CHECK_OK(cairn_result_remove(store, "eval", key, sizeof key));
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_result_remove(store, "eval", key, sizeof key));
  CHECK_OK(cairn_close(store));
}

void test_metrics(void) {
  cairn_store* store = new_store();
  cairn_metric row[3];
  cairn_run* run = NULL;
  cairn_point* points = NULL;
  size_t count = 99;
  int64_t step;
  memset(row, 0, sizeof row);
  row[0].name = "loss";
  row[0].kind = CAIRN_REAL;
  row[1].name = "seen";
  row[1].kind = CAIRN_INTEGER;
  row[2].name = "note";
  row[2].kind = CAIRN_TEXT;
  row[2].text = "fine";
  CHECK_OK(cairn_run_open(store, "training", &run));
  for (step = 0; step < 10; ++step) {
    row[0].real = 1.0 / (double)(step + 1);
    row[1].integer = step * 32;
    CHECK_OK(cairn_run_log(run, step, row, 3));
  }
  CHECK_OK(cairn_metrics_flush(store));
  CHECK_OK(cairn_metrics_query(store, "training", "loss", &points, &count));
  CHECK(count == 10 && points[0].step == 0 && points[0].value == 1.0 && points[9].value == 0.1);
  CHECK(points[3].time_ns > 0);
  cairn_free(points);
  CHECK_OK(cairn_metrics_query(store, "training", "seen", &points, &count));
  CHECK(count == 10 && points[9].value == 288.0);
  cairn_free(points);
  CHECK_OK(cairn_metrics_query(store, "training", "never", &points, &count));
  CHECK(count == 0 && points != NULL);
  cairn_free(points);
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_metrics_query(store, "never", "loss", &points, &count));
  row[0].kind = (cairn_metric_kind)7;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_run_log(run, 11, row, 3));
  row[0].kind = CAIRN_REAL;
  row[2].text = NULL;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_run_log(run, 11, row, 3));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_run_log(run, 11, row, 100000));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_run_log(NULL, 11, row, 1));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_run_open(store, NULL, &run));
  cairn_run_free(run);
  cairn_run_free(NULL);
  CHECK_OK(cairn_close(store));
}
