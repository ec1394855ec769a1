// Records of the store → messages of the protocol.
#pragma once

#include "absl/status/statusor.h"
#include "server/store/store.h"
#include "sub1quant/v1/jobs.pb.h"

namespace sub1quant {

// With stages, and with outputs if asked for.
absl::StatusOr<v1::Job> MakeJob(StateStore& store, const JobRecord& record, bool with_outputs, double now);
v1::JobEvent MakeEvent(const EventRecord& record);
v1::WorkerStatus MakeWorkerStatus(const WorkerRecord& record);

}  // namespace sub1quant
