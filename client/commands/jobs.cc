// jobs, status, cancel, delete.
#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/commands/job_command.h"
#include "client/render.h"
#include "core/json.h"
#include "core/status.h"

namespace sub1quant {
namespace {

absl::Status Jobs(Context& context) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Open(context.server));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<v1::Job> jobs, session->List());
  if (!context.json) {
    context.out << RenderJobs(jobs);
    return absl::OkStatus();
  }
  Json array = Json::array();
  for (const v1::Job& job : jobs) array.push_back(JobToJson(job));
  context.out << DumpJson(Json{{"jobs", array}});
  return absl::OkStatus();
}

absl::Status Status(Context& context, Session& session, const std::string& id) {
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::Job job, session.Get(id));
  context.out << (context.json ? DumpJson(JobToJson(job)) : RenderJob(job));
  return absl::OkStatus();
}

// What was done, in one line or one document.
void Confirm(Context& context, const std::string& id, const std::string& what) {
  if (context.json) {
    context.out << DumpJson(Json{{"job", id}, {"result", what}});
  } else if (!context.quiet) {
    context.error << "job " << Printable(id) << ": " << what << "\n";
  }
}

absl::Status Cancel(Context& context, Session& session, const std::string& id) {
  SUB1QUANT_RETURN_IF_ERROR(session.Cancel(id));
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::Job job, session.Get(id));
  Confirm(context, id, HasEnded(job) ? StateName(job.state()) : "cancelling");
  return absl::OkStatus();
}

absl::Status Delete(Context& context, Session& session, const std::string& id) {
  SUB1QUANT_RETURN_IF_ERROR(session.Delete(id));
  Confirm(context, id, "deleted");
  return absl::OkStatus();
}

}  // namespace

void AddJobs(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("jobs", "the jobs of a server, newest first");
  AddServerOption(*command, context);
  AddCommonOptions(*command, context);
  command->callback([&context] { context.action = [&context] { return Jobs(context); }; });
}

void AddStatus(CLI::App& app, Context& context) {
  AddJobCommand(app, context, "status", "state and stages of a job", Status);
}

void AddCancel(CLI::App& app, Context& context) {
  AddJobCommand(app, context, "cancel", "end a job; what it has finished can be used again", Cancel);
}

void AddDelete(CLI::App& app, Context& context) {
  AddJobCommand(app, context, "delete", "remove the record of an ended job and what only it uses", Delete);
}

}  // namespace sub1quant
