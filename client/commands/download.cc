// report, download.
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/commands/job_command.h"
#include "client/commands/remote_job.h"
#include "client/outcome.h"
#include "client/render.h"
#include "client/reports.h"
#include "core/json.h"
#include "core/status.h"

namespace sub1quant {
namespace {

absl::StatusOr<v1::Job> FinishedJob(Session& session, const std::string& id) {
  SUB1QUANT_ASSIGN_OR_RETURN(v1::Job job, session.Get(id));
  if (HasEnded(job)) SUB1QUANT_RETURN_IF_ERROR(JobOutcome(job, /*asked_here=*/false));
  if (!HasEnded(job))
    return WithHint(absl::FailedPreconditionError(
                        absl::StrCat("job ", Printable(id), " is ", StateName(job.state()), ": no results yet")),
                    absl::StrCat("sub1quant watch ", Printable(id), " waits for them"));
  return job;
}

absl::Status Report(Context& context, Session& session, const std::string& id) {
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::Job job, FinishedJob(session, id));
  SUB1QUANT_ASSIGN_OR_RETURN(const Reports reports, ReadReports(session, job));
  context.out << (context.json ? DumpJson(ReportsToJson(reports)) : RenderReports(reports, context.environment.colour));
  return absl::OkStatus();
}

struct DownloadOptions {
  std::string out;
  bool force = false;
};

absl::Status Download(Context& context, Session& session, const std::string& id, const DownloadOptions& options) {
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::Job job, FinishedJob(session, id));
  SUB1QUANT_RETURN_IF_ERROR(DownloadOutputs(session, job, options.out, options.force));
  uint64_t bytes = 0;
  for (const v1::Output& output : job.outputs()) bytes += output.size();
  if (context.json) {
    context.out << DumpJson(Json{{"job", id}, {"out", options.out}, {"files", job.outputs_size()}, {"bytes", bytes}});
  } else if (!context.quiet) {
    context.error << options.out << ": " << job.outputs_size() << " files, " << FormatBytes(bytes) << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddReport(CLI::App& app, Context& context) {
  AddJobCommand(app, context, "report", "the report of a job as text, or report.json with --json", Report);
}

void AddDownload(CLI::App& app, Context& context) {
  const auto options = std::make_shared<DownloadOptions>();
  CLI::App* command = AddJobCommand(app, context, "download", "the outputs of a job",
                                    [options](Context& given, Session& session, const std::string& id) {
                                      return Download(given, session, id, *options);
                                    });
  command->add_option("--out", options->out, "output directory")->type_name("DIR")->required();
  command->add_flag("--force", options->force, "overwrite results in a non-empty --out");
}

}  // namespace sub1quant
