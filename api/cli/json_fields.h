// SPDX-License-Identifier: Apache-2.0
//
// The library's answers as JSON: the one place that names their fields.
#pragma once

#include "api/cli/output.h"
#include "cairn/store.h"

namespace cairn::cli {

Json to_json(const RefInfo& ref);
Json to_json(const VersionInfo& version);
Json to_json(const ForgetReport& report);
Json to_json(const EntryInfo& entry);
Json to_json(const TensorBase& base);
Json to_json(const TensorInfo& tensor);
Json to_json(const ObjectInfo& object);
Json to_json(const Object& object);
Json to_json(const TensorChange& change);
Json to_json(const DiffReport& diff);
Json to_json(const TensorPlace& place);
Json to_json(const SameTensors& same);
Json to_json(const SimilarTensors& similar);
Json to_json(const SimilarReport& report);
Json to_json(const AddReport& report);
Json to_json(const StoreStats& stats);
Json to_json(const Damage& damage);
Json to_json(const CheckReport& report);
Json to_json(const GcReport& report);
Json to_json(const OptimizeReport& report);
Json to_json(const CloneReport& report);
Json to_json(const RepairReport& report);
Json to_json(const ResultInfo& info);
Json to_json(const Experiment& experiment);
Json to_json(const Evaluation& evaluation);
Json to_json(const EvaluationStatistics& statistics);
Json to_json(const MetricSummary& summary);
Json to_json(const MetricPoint& point);
Json to_json(const MetricBucket& bucket);
Json to_json(const OperationInfo& operation);
Json to_json(const RecoveryReport& report);

}  // namespace cairn::cli
