#include "client/local_job.h"

#include <filesystem>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/checkpoint.h"
#include "client/corpus.h"
#include "client/interrupt.h"
#include "client/job_key.h"
#include "client/job_options.h"
#include "client/local_model.h"
#include "client/local_service.h"
#include "client/outcome.h"
#include "client/output_directory.h"
#include "client/progress.h"
#include "client/reports.h"
#include "client/state_directory.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"

namespace sub1quant {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxAttempts = 1000;
constexpr milliseconds kStopGrace{5000}, kCancelGrace{1000};

absl::StatusOr<std::string> FileSha256(const std::string& path) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, ReadableFile::Open(path));
  Sha256 digest;
  std::string buffer(size_t{1} << 20, '\0');
  for (uint64_t at = 0; at < file->size();) {
    const size_t step = static_cast<size_t>(std::min<uint64_t>(buffer.size(), file->size() - at));
    SUB1QUANT_RETURN_IF_ERROR(file->ReadAt(at, buffer.data(), step));
    digest.Update(buffer.data(), step);
    at += step;
  }
  return digest.HexDigest();
}

class LocalRun {
 public:
  LocalRun(Context& context, LocalJob job)
      : context_(context), job_(std::move(job)), progress_(context.clock, context.error, OptionsOf(context)) {}

  absl::StatusOr<LocalResult> Run() {
    SUB1QUANT_RETURN_IF_ERROR(Prepare());
    SUB1QUANT_ASSIGN_OR_RETURN(StateDirectory state, StateDirectory::Open(job_.state));
    if (job_.checkpoint.empty()) SUB1QUANT_RETURN_IF_ERROR(SettleSpecification());
    absl::StatusOr<LocalResult> result = Serve(state);
    if (!result.ok() && out_.has_value()) out_->Abandon();
    if (interrupt_.requested() && !result.ok()) return Cancelled(state);
    return result;
  }

 private:
  static ProgressOptions OptionsOf(const Context& context) {
    ProgressOptions options;
    options.terminal = context.environment.error_is_terminal;
    options.columns = context.environment.columns;
    options.quiet = context.quiet;
    return options;
  }

  absl::Status Cancelled(const StateDirectory& state) {
    return WithHint(absl::CancelledError(absl::StrCat("cancelled; finished work is kept in ", state.path())),
                    "the same command goes on from there");
  }

  // Everything that can be found wrong without starting anything.
  absl::Status Prepare() {
    JobSpecification& s = job_.specification;
    if (job_.model.empty()) return absl::InvalidArgumentError("--model: required, a model directory");
    if (s.evaluate && job_.corpus.empty())
      return WithHint(absl::InvalidArgumentError("--corpus: required, a UTF-8 text file"),
                      "--no-eval goes without scoring");
    SUB1QUANT_RETURN_IF_ERROR(CheckModelAddress(job_.model));
    if (!job_.checkpoint.empty() && !PathExists(job_.checkpoint))
      return absl::NotFoundError(absl::StrCat("--checkpoint ", job_.checkpoint, ": no such file or directory"));
    s.model_root = kLocalRoot;
    s.model_path = ".";
    s.corpus_sha256.clear();
    s.corpus_name.clear();
    if (s.evaluate) {
      SUB1QUANT_ASSIGN_OR_RETURN(corpus_, OpenCorpus(job_.corpus));
      s.corpus_sha256 = corpus_.sha256;
      s.corpus_name = corpus_.name;
    }
    SUB1QUANT_RETURN_IF_ERROR(Validate(s));
    SUB1QUANT_ASSIGN_OR_RETURN(model_, LookAtModel(job_.model, s));
    s.model_name = model_.name;
    return absl::OkStatus();
  }

  // Label, key and output directory, once the checkpoint's digest is known.
  absl::Status SettleSpecification() {
    JobSpecification& s = job_.specification;
    if (s.label.empty()) s.label = DefaultLabel(s);
    SUB1QUANT_RETURN_IF_ERROR(Validate(s));
    key_ = JobKey(s, model_.files, job_.device);
    const std::string out = job_.out.empty() && job_.default_out ? DefaultOutputPath(s.label) : job_.out;
    if (out.empty()) return absl::OkStatus();
    SUB1QUANT_ASSIGN_OR_RETURN(OutputDirectory directory, OutputDirectory::Prepare(out, key_, job_.force));
    out_.emplace(std::move(directory));
    return absl::OkStatus();
  }

  absl::StatusOr<LocalResult> Serve(const StateDirectory& state) {
    LocalServiceOptions options;
    options.state = state.path();
    options.model_directory = model_.directory;
    options.workers = job_.workers;
    options.device = job_.device;
    options.threads = job_.threads;
    options.memory = job_.memory;
    options.note = [this](const std::string& line) { progress_.Note(line); };
    options.stop = [this] { return interrupt_.requested(); };
    SUB1QUANT_ASSIGN_OR_RETURN(service_, LocalService::Start(context_.environment, std::move(options)));
    interrupt_.OnSecond([this] { service_->KillAll(); });
    interrupt_.OnFirst([this] { service_->session().StopWatching(); });
    absl::StatusOr<LocalResult> result = Work(state);
    progress_.Finish();
    interrupt_.OnFirst({});
    service_->Stop(interrupt_.requested() ? kCancelGrace : kStopGrace);
    interrupt_.OnSecond({});
    if (!result.ok()) return result;
    if (out_.has_value()) {
      SUB1QUANT_RETURN_IF_ERROR(TakeOutputs(state));
      result->out = out_->path();
    }
    return result;
  }

  absl::StatusOr<LocalResult> Work(const StateDirectory& state) {
    Session& session = service_->session();
    if (!job_.checkpoint.empty()) SUB1QUANT_RETURN_IF_ERROR(SendCheckpoint());
    if (job_.specification.evaluate) SUB1QUANT_RETURN_IF_ERROR(session.UploadBlobFile(corpus_.path).status());
    SUB1QUANT_ASSIGN_OR_RETURN(ended_, Submit());
    progress_.Note(absl::StrCat("job ", ended_.id(), ", state ", state.path()));
    if (!HasEnded(ended_)) {
      SUB1QUANT_RETURN_IF_ERROR(CancelOthers());
      SUB1QUANT_RETURN_IF_ERROR(service_->StartWorkers());
      SUB1QUANT_RETURN_IF_ERROR(WatchToEnd());
    } else {
      progress_.Note("finished earlier with the same specification and files: its results are taken");
    }
    if (absl::Status outcome = JobOutcome(ended_); !outcome.ok())
      return WithHint(outcome, absl::StrCat("logs: ", state.File("server.log"), " and worker-*.log beside it"));
    LocalResult result;
    result.job = ended_.id();
    SUB1QUANT_ASSIGN_OR_RETURN(result.reports, ReadReports(session, ended_));
    return result;
  }

  absl::Status SendCheckpoint() {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<ModelSource> model, OpenModelDirectory(model_.directory));
    const std::unique_ptr<BlobStore> blobs = service_->session().Blobs();
    auto manifest = PutCheckpoint(job_.checkpoint, model.get(), *blobs);
    if (!manifest.ok()) return Annotate(manifest.status(), "--checkpoint");
    job_.specification.checkpoint_manifest_sha256 = *manifest;
    return SettleSpecification();
  }

  // A job of this key that runs, or that succeeded and still has its files; a new one otherwise.
  absl::StatusOr<v1::Job> Submit() {
    Session& session = service_->session();
    for (int attempt = 1; attempt <= kMaxAttempts; ++attempt) {
      SUB1QUANT_ASSIGN_OR_RETURN(const v1::SubmitJobResponse response,
                                 session.Submit(job_.specification, JobKeyAttempt(key_, attempt)));
      SUB1QUANT_ASSIGN_OR_RETURN(v1::Job job, session.Get(response.job()));
      if (response.created() || (!HasEnded(job) && !job.cancelling())) return job;
      if (job.state() == v1::JOB_STATE_SUCCEEDED && HasFiles(job)) return job;
    }
    return absl::ResourceExhaustedError(
        absl::StrCat("--state ", job_.state, ": ", kMaxAttempts, " failed jobs of this command"));
  }

  bool HasFiles(const v1::Job& job) {
    const std::unique_ptr<BlobStore> blobs = service_->session().Blobs();
    for (const v1::Output& output : job.outputs())
      if (!blobs->Size(output.sha256()).ok()) return false;
    return true;
  }

  // This directory serves one command at a time; an interrupted job of another one would only take its workers.
  absl::Status CancelOthers() {
    Session& session = service_->session();
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<v1::Job> jobs, session.List());
    for (const v1::Job& other : jobs)
      if (!HasEnded(other) && other.id() != ended_.id()) SUB1QUANT_RETURN_IF_ERROR(session.Cancel(other.id()));
    return absl::OkStatus();
  }

  absl::Status WatchToEnd() {
    Session& session = service_->session();
    WatchOptions options;
    options.still_worthwhile = [this] { return service_->Health(); };
    options.on_update = [this](const v1::WatchJobResponse& update) {
      for (const v1::JobEvent& event : update.events()) progress_.Event(event);
      if (update.has_job()) progress_.Update(update.job());
    };
    absl::StatusOr<v1::Job> ended = session.Watch(ended_.id(), options);
    if (ended.ok()) {
      ended_ = *std::move(ended);
      return absl::OkStatus();
    }
    if (interrupt_.requested()) {
      progress_.Note("cancelling");
      session.Cancel(ended_.id()).IgnoreError();
    }
    SUB1QUANT_RETURN_IF_ERROR(service_->Health());
    return ended.status();
  }

  // The server has stopped: its blobs are ours.
  absl::Status TakeOutputs(const StateDirectory& state) {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore> blobs, OpenBlobDirectory(state.File("blobs")));
    const auto fetch = [&](const v1::Output& output, const std::string& path) -> absl::Status {
      const std::string blob = blobs->LocalPath(output.sha256());
      if (blob.empty() || !PathExists(blob))
        return absl::DataLossError(
            absl::StrCat(output.path(), ": blob ", output.sha256(), " is missing in ", state.path()));
      SUB1QUANT_ASSIGN_OR_RETURN(const std::string digest, FileSha256(blob));
      if (digest != output.sha256()) {
        // Reading it through the store moves the damaged file aside: the next run makes it again.
        blobs->Get(output.sha256()).status().IgnoreError();
        return WithHint(absl::DataLossError(
                            absl::StrCat(output.path(), ": blob ", output.sha256(), " is damaged in ", state.path())),
                        "the same command makes it again");
      }
      return LinkOrCopy(blob, path);
    };
    const absl::Status filled = out_->Fill({ended_.outputs().begin(), ended_.outputs().end()}, fetch,
                                           [this] { return interrupt_.requested(); });
    return Annotated(filled, absl::StrCat("--out ", out_->path()));
  }

  static absl::Status Annotated(const absl::Status& status, const std::string& where) {
    return absl::IsDataLoss(status) ? status : Annotate(status, where);
  }

  Context& context_;
  LocalJob job_;
  Interrupt interrupt_;
  Progress progress_;
  CorpusFile corpus_;
  LocalModel model_;
  std::string key_;
  std::optional<OutputDirectory> out_;
  std::unique_ptr<LocalService> service_;
  v1::Job ended_;
};

}  // namespace

absl::StatusOr<LocalResult> RunLocalJob(Context& context, LocalJob job) {
  return LocalRun(context, std::move(job)).Run();
}

}  // namespace sub1quant
