#include <memory>

#include "client/commands/commands.h"
#include "client/render.h"
#include "client/session.h"
#include "core/json.h"
#include "core/status.h"

namespace sub1quant {
namespace {

absl::Status Workers(Context& context) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Open(context.server));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<v1::WorkerStatus> workers, session->Workers());
  if (!context.json) {
    context.out << RenderWorkers(workers);
    return absl::OkStatus();
  }
  Json array = Json::array();
  for (const v1::WorkerStatus& worker : workers) array.push_back(WorkerToJson(worker));
  context.out << DumpJson(Json{{"workers", array}});
  return absl::OkStatus();
}

absl::Status Drain(Context& context, const std::string& name) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Open(context.server));
  SUB1QUANT_RETURN_IF_ERROR(session->Drain(name));
  if (context.json) {
    context.out << DumpJson(Json{{"worker", name}, {"result", "draining"}});
  } else if (!context.quiet) {
    context.error << "worker " << Printable(name) << ": gets no new task and ends with its current one\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddWorkers(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("workers", "the workers of a server");
  AddServerOption(*command, context);
  AddCommonOptions(*command, context);
  CLI::App* drain = command->add_subcommand("drain", "let a worker finish its task and end");
  const auto name = std::make_shared<std::string>();
  drain->add_option("NAME", *name, "worker name")->type_name("")->required();
  drain->fallthrough();
  command->callback([&context, drain, name] {
    context.action = [&context, drain, name] { return drain->parsed() ? Drain(context, *name) : Workers(context); };
  });
}

}  // namespace sub1quant
