// A job on a server that somebody else runs: submit, watch, fetch.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/context.h"
#include "client/session.h"
#include "quant/plan/specification.h"

namespace sub1quant {

struct RemoteJob {
  JobSpecification specification;
  std::string model;               // NAME/relative/path; "": as the specification says
  std::string corpus, checkpoint;  // local files; "": as the specification says
  std::string idempotency_key;     // "": a new one
  std::string out;                 // "": nothing is fetched
  bool force = false;
};

// Validates, uploads what the job needs and submits it; returns the job id.
absl::StatusOr<std::string> SubmitRemoteJob(Session& session, RemoteJob& job);

// Watches to the end, shows the report, fetches the outputs to job.out. Ctrl-C leaves the job running: Cancelled.
absl::Status FinishRemoteJob(Context& context, Session& session, const std::string& id, const RemoteJob& job);

// Watches with progress on stderr until the job has ended.
absl::StatusOr<v1::Job> WatchWithProgress(Context& context, Session& session, const std::string& id);

// Fetches all outputs of `job` into a directory.
absl::Status DownloadOutputs(Session& session, const v1::Job& job, const std::string& out, bool force);

}  // namespace sub1quant
