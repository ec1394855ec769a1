// The table of contents of the service: which stage a job has and what each waits for. Pure.
//
//   inspect ─┬─ search ─ allocate ─ pack ─ seal ─┬─ score_quantized ─┬─ aggregate
//            │                                   └─ export ──────────┤
//            └─ score_base ──────────────────────────────────────────┘
//
// One file per step beside this one: inspect, search, allocate, pack, seal, score, export, aggregate.
#pragma once

#include <string>
#include <vector>

#include "quant/plan/specification.h"
#include "server/store/store.h"

namespace sub1quant {

inline constexpr char kInspect[] = "inspect";
inline constexpr char kSearch[] = "search";
inline constexpr char kAllocate[] = "allocate";
inline constexpr char kPack[] = "pack";
inline constexpr char kSeal[] = "seal";
inline constexpr char kScoreBase[] = "score_base";
inline constexpr char kScoreQuantized[] = "score_quantized";
inline constexpr char kExport[] = "export";
inline constexpr char kAggregate[] = "aggregate";

// Allocations of the job: one per target; one for a uniform or given allocation; none for `evaluate`.
int TargetCount(const JobSpecification& specification);
// Whether formats are searched for, not given.
bool Searches(const JobSpecification& specification);

// In the order in which they are shown.
std::vector<StageKey> StagesOf(const JobSpecification& specification);
// What must be done before `stage` can start.
std::vector<StageKey> DependenciesOf(const JobSpecification& specification, const StageKey& stage);

}  // namespace sub1quant
