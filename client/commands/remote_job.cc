#include "client/commands/remote_job.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/checkpoint.h"
#include "client/corpus.h"
#include "client/interrupt.h"
#include "client/job_options.h"
#include "client/local_model.h"
#include "client/outcome.h"
#include "client/output_directory.h"
#include "client/progress.h"
#include "client/reports.h"
#include "core/random_id.h"
#include "core/status.h"

namespace sub1quant {
namespace {

// "NAME/relative/path" → root and path.
absl::Status SetModel(const std::string& model, JobSpecification& specification) {
  if (model.empty()) {
    if (!specification.model_root.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("--model: required, NAME/relative/path under a model root of the server");
  }
  SUB1QUANT_RETURN_IF_ERROR(CheckModelAddress(model));
  const size_t slash = model.find('/');
  if (slash == 0)
    return WithHint(absl::InvalidArgumentError(
                        absl::StrCat("--model ", model, ": NAME/relative/path is expected, no absolute path")),
                    "NAME is a --model-root of the server; `sub1quant run` takes a local directory");
  specification.model_root = model.substr(0, slash);
  specification.model_path = slash == std::string::npos || slash + 1 == model.size() ? "." : model.substr(slash + 1);
  while (specification.model_path.size() > 1 && specification.model_path.back() == '/')
    specification.model_path.pop_back();
  specification.model_name = std::filesystem::path(specification.model_path).filename().string();
  if (specification.model_name == ".") specification.model_name = specification.model_root;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> SubmitRemoteJob(Session& session, RemoteJob& job) {
  JobSpecification& s = job.specification;
  SUB1QUANT_RETURN_IF_ERROR(SetModel(job.model, s));
  if (s.evaluate && job.corpus.empty() && s.corpus_sha256.empty())
    return WithHint(absl::InvalidArgumentError("--corpus: required, a UTF-8 text file"),
                    "--no-eval goes without scoring");
  if (!s.evaluate) s.corpus_sha256.clear(), s.corpus_name.clear();
  if (s.evaluate && !job.corpus.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(const CorpusFile corpus, OpenCorpus(job.corpus));
    s.corpus_sha256 = corpus.sha256;
    s.corpus_name = corpus.name;
  }
  const bool own_label = !s.label.empty();
  if (!own_label) s.label = DefaultLabel(s);
  SUB1QUANT_RETURN_IF_ERROR(Validate(s));
  if (!job.checkpoint.empty()) {
    const std::unique_ptr<BlobStore> blobs = session.Blobs();
    auto manifest = PutCheckpoint(job.checkpoint, nullptr, *blobs);
    if (!manifest.ok()) return FromServer(Annotate(manifest.status(), "--checkpoint"), session.address());
    s.checkpoint_manifest_sha256 = *manifest;
    if (!own_label) s.label = DefaultLabel(s);
  }
  if (s.evaluate && !job.corpus.empty()) SUB1QUANT_RETURN_IF_ERROR(session.UploadBlobFile(job.corpus).status());
  if (job.idempotency_key.empty()) job.idempotency_key = NewRandomIdGenerator()->NewId();
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::SubmitJobResponse response, session.Submit(s, job.idempotency_key));
  return response.job();
}

absl::StatusOr<v1::Job> WatchWithProgress(Context& context, Session& session, const std::string& id) {
  ProgressOptions progress_options;
  progress_options.terminal = context.environment.error_is_terminal;
  progress_options.columns = context.environment.columns;
  progress_options.quiet = context.quiet;
  Interrupt interrupt;
  Progress progress(context.clock, context.error, progress_options);
  interrupt.OnFirst([&session] { session.StopWatching(); });
  WatchOptions options;
  options.on_update = [&progress](const v1::WatchJobResponse& update) {
    for (const v1::JobEvent& event : update.events()) progress.Event(event);
    if (update.has_job()) progress.Update(update.job());
  };
  absl::StatusOr<v1::Job> job = session.Watch(id, options);
  interrupt.OnFirst({});
  if (!job.ok() && interrupt.requested())
    return WithHint(absl::CancelledError(absl::StrCat("no longer watching; job ", id, " goes on")),
                    absl::StrCat("sub1quant cancel ", id, " ends it"));
  return job;
}

absl::Status DownloadOutputs(Session& session, const v1::Job& job, const std::string& out, bool force) {
  SUB1QUANT_ASSIGN_OR_RETURN(OutputDirectory directory, OutputDirectory::Prepare(out, job.id(), force));
  Interrupt interrupt;
  const absl::Status filled = directory.Fill(
      {job.outputs().begin(), job.outputs().end()},
      [&session](const v1::Output& output, const std::string& path) { return session.DownloadOutput(output, path); },
      [&interrupt] { return interrupt.requested(); });
  if (!filled.ok()) directory.Abandon();
  return filled;
}

absl::Status FinishRemoteJob(Context& context, Session& session, const std::string& id, const RemoteJob& job) {
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::Job ended, WatchWithProgress(context, session, id));
  SUB1QUANT_RETURN_IF_ERROR(JobOutcome(ended));
  SUB1QUANT_ASSIGN_OR_RETURN(const Reports reports, ReadReports(session, ended));
  if (!job.out.empty()) SUB1QUANT_RETURN_IF_ERROR(DownloadOutputs(session, ended, job.out, job.force));
  if (!context.json) {
    context.out << RenderReports(reports, context.environment.colour);
    return absl::OkStatus();
  }
  Json json{{"job", id}, {"state", "succeeded"}};
  if (reports.size() == 1) {
    json.update(ReportsToJson(reports));
  } else {
    json["reports"] = ReportsToJson(reports);
  }
  context.out << DumpJson(json);
  return absl::OkStatus();
}

}  // namespace sub1quant
