// Perplexity only: of a model, or of a model with the matrices of a quantized checkpoint.
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/checkpoint.h"
#include "client/commands/commands.h"
#include "client/commands/local_options.h"
#include "client/commands/remote_job.h"
#include "client/corpus.h"
#include "client/job_options.h"
#include "client/local_job.h"
#include "client/reports.h"
#include "core/status.h"

namespace sub1quant {
namespace {

struct EvaluateOptions {
  JobOptions job;
  LocalOptions local;
  std::string model, corpus, checkpoint, out;
  bool force = false;
  CLI::Option* server = nullptr;
};

absl::StatusOr<JobSpecification> SpecificationOf(const EvaluateOptions& options) {
  SUB1QUANT_ASSIGN_OR_RETURN(JobSpecification specification, options.job.Specification());
  specification.quantize = false;
  return specification;
}

absl::Status EvaluateHere(Context& context, const EvaluateOptions& options) {
  LocalJob job;
  SUB1QUANT_ASSIGN_OR_RETURN(job.specification, SpecificationOf(options));
  job.model = options.model;
  job.corpus = options.corpus;
  job.checkpoint = options.checkpoint;
  job.out = options.out;
  job.force = options.force;
  SUB1QUANT_RETURN_IF_ERROR(options.local.Fill(context, job));
  SUB1QUANT_ASSIGN_OR_RETURN(const LocalResult result, RunLocalJob(context, std::move(job)));
  if (context.json) {
    context.out << DumpJson(LocalResultToJson(result));
  } else {
    context.out << RenderReports(result.reports, context.environment.colour);
  }
  return absl::OkStatus();
}

absl::Status EvaluateThere(Context& context, const EvaluateOptions& options) {
  RemoteJob job;
  SUB1QUANT_ASSIGN_OR_RETURN(job.specification, SpecificationOf(options));
  job.model = options.model;
  job.corpus = options.corpus;
  job.checkpoint = options.checkpoint;
  job.out = options.out;
  job.force = options.force;
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Open(context.server));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string id, SubmitRemoteJob(*session, job));
  return FinishRemoteJob(context, *session, id, job);
}

}  // namespace

void AddEvaluate(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("evaluate", "perplexity only, of a model or of a quantized checkpoint");
  const auto options = std::make_shared<EvaluateOptions>();
  command->add_option("--model", options->model, "model directory; with --server NAME/relative/path [required]")
      ->type_name("DIR");
  command->add_option("--checkpoint", options->checkpoint, "a .pt file, an artifact or an output directory of run")
      ->type_name("FILE|DIR");
  command->add_option("--corpus", options->corpus, "UTF-8 text [required]")->type_name("FILE");
  options->job.AddScoringOptions(*command);
  options->local.Add(*command);
  command->add_option("--out", options->out, "keep reports and sums here [not kept]")->type_name("DIR");
  command->add_flag("--force", options->force, "overwrite results in a non-empty --out");
  options->server =
      command->add_option("--server", context.server, "on this server [a private one]")->type_name("ADDRESS");
  AddCommonOptions(*command, context);
  command->callback([&context, options] {
    context.action = [&context, options] {
      return options->server->count() > 0 ? EvaluateThere(context, *options) : EvaluateHere(context, *options);
    };
  });
}

}  // namespace sub1quant
