#include <memory>

#include "client/commands/commands.h"
#include "client/commands/remote_job.h"
#include "client/job_options.h"
#include "core/json.h"
#include "core/status.h"

namespace sub1quant {
namespace {

struct SubmitOptions {
  JobOptions job;
  std::string model, corpus, idempotency_key;
  bool wait = false;
};

absl::Status Submit(Context& context, const SubmitOptions& options) {
  RemoteJob job;
  SUB1QUANT_ASSIGN_OR_RETURN(job.specification, options.job.Specification());
  job.model = options.model;
  job.corpus = options.corpus;
  job.idempotency_key = options.idempotency_key;
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Open(context.server));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string id, SubmitRemoteJob(*session, job));
  if (options.wait) {
    if (!context.quiet) context.error << "job " << id << "\n" << std::flush;
    return FinishRemoteJob(context, *session, id, job);
  }
  context.out << (context.json ? DumpJson(Json{{"job", id}}) : id + "\n");
  return absl::OkStatus();
}

}  // namespace

void AddSubmit(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("submit", "submit a job to a server; prints the job id");
  const auto options = std::make_shared<SubmitOptions>();
  command->add_option("--model", options->model, "NAME/relative/path under a model root of the server [required]")
      ->type_name("NAME/PATH");
  command->add_option("--corpus", options->corpus, "UTF-8 text, uploaded; required unless --no-eval")
      ->type_name("FILE");
  options->job.AddSearchOptions(*command);
  options->job.AddScoringOptions(*command);
  command->add_option("--idempotency-key", options->idempotency_key, "the same key again is the same job [a new one]")
      ->type_name("TEXT");
  command->add_flag("--wait", options->wait, "watch the job and print its report");
  AddServerOption(*command, context);
  AddCommonOptions(*command, context);
  command->callback(
      [&context, options] { context.action = [&context, options] { return Submit(context, *options); }; });
}

}  // namespace sub1quant
