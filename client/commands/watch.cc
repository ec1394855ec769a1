// watch, logs.
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/commands/job_command.h"
#include "client/commands/remote_job.h"
#include "client/outcome.h"
#include "client/render.h"
#include "core/json.h"
#include "core/status.h"

namespace sub1quant {
namespace {

// How long `logs` waits for the events so far of a job that goes on.
constexpr std::chrono::milliseconds kLogsWait{1500};

absl::Status Watch(Context& context, Session& session, const std::string& id) {
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::Job job, WatchWithProgress(context, session, id));
  context.out << (context.json ? DumpJson(JobToJson(job))
                               : absl::StrCat("job ", Printable(id), ": ", StateName(job.state()), "\n"));
  return JobOutcome(job, /*asked_here=*/false);
}

Json EventToJson(const v1::JobEvent& event) {
  return Json{{"sequence", event.sequence()}, {"at", event.at()},         {"kind", event.kind()},
              {"stage", event.stage()},       {"target", event.target()}, {"message", event.message()}};
}

std::string EventLine(const v1::JobEvent& event) {
  return Printable(absl::StrCat(FormatTime(event.at()), " ", event.kind(), event.stage().empty() ? "" : " ",
                                event.stage(), event.message().empty() ? "" : ": ", event.message())) +
         "\n";
}

absl::Status Logs(Context& context, Session& session, const std::string& id) {
  Json array = Json::array();
  SUB1QUANT_RETURN_IF_ERROR(session.Events(id, kLogsWait, [&](const v1::JobEvent& event) {
    if (context.json) {
      array.push_back(EventToJson(event));
    } else {
      context.out << EventLine(event);
    }
  }));
  if (context.json) context.out << DumpJson(Json{{"job", id}, {"events", array}});
  return absl::OkStatus();
}

}  // namespace

void AddWatch(CLI::App& app, Context& context) {
  AddJobCommand(app, context, "watch", "follow a job to its end; its outcome is the exit code", Watch);
}

void AddLogs(CLI::App& app, Context& context) {
  AddJobCommand(app, context, "logs", "the events of a job so far", Logs);
}

}  // namespace sub1quant
